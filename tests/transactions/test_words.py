"""Words and their stems: what a search takes for the same word, and what it does not."""

from __future__ import annotations

from itertools import chain

import pytest
import Stemmer
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.transactions import words
from trio_stream.transactions.words import (
    KEPT,
    WORD_LIMIT,
    terms_of,
    terms_of_words,
    words_of,
)

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


def test_what_is_too_long_is_not_a_word() -> None:
    assert terms_of(f"{'x' * WORD_LIMIT} {'y' * (WORD_LIMIT + 1)}") == [
        "x" * WORD_LIMIT
    ]


def test_terms_that_are_kept_are_those_that_are_found_anew() -> None:
    words = [word for word in SAME + OTHER if word]
    once = [terms_of(word) for word in words]
    # So many that what was kept is given up.
    many = [f"{n}tries" for n in range(KEPT + 1)]
    assert terms_of_words(many) == [f"{n}tri" for n in range(KEPT + 1)]
    assert [terms_of(word) for word in words] == once
    assert terms_of(" ".join(words)) == list(chain.from_iterable(once))


@pytest.mark.parametrize("size", [1, 100, KEPT, 2 * KEPT])
def test_kept_terms_have_a_bound(size: int) -> None:
    for first in range(0, 3 * KEPT, size):
        terms_of_words([f"w{n}x" for n in range(first, first + size)])
        assert len(words.kept_terms) <= KEPT


def test_a_text_in_ascii_has_the_words_that_it_has_beside_others() -> None:
    text = "".join(map(chr, range(128))) + " O'Neil's pre-market_IS 'X'"
    assert words_of(f"{text} é") == [*words_of(text), "é"]


@given(st.text("0123456789", min_size=1, max_size=300))
def test_a_number_is_its_own_stem_and_is_not_kept(number: str) -> None:
    assert Stemmer.Stemmer("english").stemWord(number) == number
    words.kept_terms.clear()
    if len(number) <= words.WORD_LIMIT:
        assert words.terms_of(f"foxes {number}") == ["fox", number]
        assert words.terms_of(number) == [number]
        assert number not in words.kept_terms
