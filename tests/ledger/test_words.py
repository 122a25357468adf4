"""Words and their stems: what a search takes for the same word, and what not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.ledger.words import WORD_LIMIT, terms_of, words_of

SAME = """
    try tries  tried try  die died  die dying  lie lying  lies lie  tie tying  single singly
    sky skies  idle idly  gentle gently  beauty beauties  worry worried  party parties  fly flies
    run running  run runs  hop hopping  hope hoping  agree agreed  plaster plastered
    motor motoring  conflate conflated  trouble troubling  size sized  fall falling
    hiss hissing  fizz fizzed  file filing  happy happiness  relate relational
    condition conditional  digit digitizer  vary varies  operate operator
    feudal feudalism  decisive decisiveness  hopeful hopefulness  formal formality
    sensitive sensitivity  electric electrical  adjust adjustable  replace replacement
    effect effective  bicycle bicycles  box boxes  fox Foxes  city cities  cry cries
    caress caresses  kiss kisses  knife's knife  zürich's Zurich  'quoted' quoted
    don't don't  déjà DEJA  snake_case SNAKE_CASE  λόγος ΛΌΓΟΣ
""".split()
# Words that Porter's first rules, or other delimiters, would have found for each other.
OTHER = """
    new news  arsenal arsenic  university universe  inning in  outing out  herring her
    earring ear  proceed proceeding_  canning can't  snake snake_case  don don't  skis sky
    general generous  communism community  Straße strasse
""".split()


def pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


def test_there_are_sixty_pairs() -> None:
    assert len(set(pairs(SAME)) | set(pairs(OTHER))) >= 60


@pytest.mark.parametrize("pair", pairs(SAME))
def test_these_are_the_same_word(pair: tuple[str, str]) -> None:
    one, other = map(terms_of, pair)
    assert one == other
    assert len(one) == 1


@pytest.mark.parametrize("pair", pairs(OTHER))
def test_these_are_not(pair: tuple[str, str]) -> None:
    one, other = map(terms_of, pair)
    assert one != other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("snake_case o'neil pre-market", ["snake_case", "o'neil", "pre", "market"]),
        ("a.b,c;d:e!f?g(h)i[j]k{l}m", list("abcdefghijklm")),
        ('a"b“c”d«e»f', list("abcdef")),
        ("a\tb\nc\0d\x1fe\x7ff\u00a0g\u2003h", list("abcdefgh")),
        ("a/b\\c|d+e=f<g>h@i#j$k%l^m&n*o~p`q", list("abcdefghijklmnopq")),
        (
            "1,5 2.5 x² 💥 日本語。はい",
            ["1", "5", "2", "5", "x²", "💥", "日本語", "はい"],
        ),
        ("", []),
    ],
)
def test_where_words_end(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_a_term_holds_nothing_that_divides_terms_in_the_index(text: str) -> None:
    for term in terms_of(text):
        assert term
        for sign in term:
            assert not sign.isascii() or sign.isalnum() or sign in "_'"


def test_what_is_too_long_is_no_word() -> None:
    assert terms_of(f"{'x' * WORD_LIMIT} {'y' * (WORD_LIMIT + 1)}") == [
        "x" * WORD_LIMIT
    ]
