"""Words of a text as MongoDB divides, stems and compares them, for the index and for queries.

A word ends at white space and at most punctuation, but neither at `_` nor, in English, at an
apostrophe. It is converted to lower case, reduced to its stem by Snowball's English rules, and
stripped of accents, in MongoDB's order. The index and queries are treated alike, so a change of a
rule here, or a stemmer with other rules, means indexing every log again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from unicodedata import ucd_3_2_0 as unicode

import Stemmer

WORD_LIMIT: Final = 256
"""Characters of a word; longer ones are images or keys, which nobody looks up by their text."""

# Terms of recent words, since most words of most texts are common ones.
KEPT: Final = 10_000
kept_terms: Final[dict[str, str]] = {}

# Code points with one of the properties White_Space, Dash, Hyphen, Quotation_Mark, STerm,
# Terminal_Punctuation and Pattern_Syntax in Unicode 8.0, which is MongoDB's; and controls.
_DELIMITERS: Final = """
    0-26 28-2f 3a-40 5b-5e 60 7b-7f 85 a0-a7 a9 ab-ae b0-b1 b6 bb bf d7 f7 37e 387 589-58a 5be
    5c3 60c 61b 61e-61f 6d4 700-70a 70c 7f8-7f9 830-83e 85e 964-965 e5a-e5b f08 f0d-f12
    104a-104b 1361-1368 1400 166e 1680 16eb-16ed 1735-1736 17d4-17d6 17da 1802-1806 1808-1809
    1944-1945 1aa8-1aab 1b5a-1b5b 1b5d-1b5f 1c3b-1c3f 1c7e-1c7f 2000-200a 2010-2029 202f-203e
    2041-2053 2055-205f 207b 208b 2190-245f 2500-2775 2794-2bff 2e00-2e7f 3000-3003 3008-3020
    3030 30a0 30fb a4fe-a4ff a60d-a60f a6f3-a6f7 a876-a877 a8ce-a8cf a92f a9c7-a9c9 aa5d-aa5f
    aadf aaf0-aaf1 abeb fd3e-fd3f fe31-fe32 fe41-fe46 fe50-fe52 fe54-fe58 fe63 ff01-ff02 ff07
    ff0c-ff0e ff1a-ff1b ff1f ff61-ff65 1039f 103d0 10857 1091f 10a56-10a57 10af0-10af5
    10b3a-10b3f 10b99-10b9c 11047-1104d 110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df
    11238-1123c 112a9 115c2-115c5 115c9-115d7 11641-11642 1173c-1173e 12470-12474 16a6e-16a6f
    16af5 16b37-16b39 16b44 1bc9f 1da87-1da8a
"""


def _code_points(ranges: str) -> Iterator[int]:
    for first, _, last in (each.partition("-") for each in ranges.split()):
        yield from range(int(first, 16), int(last or first, 16) + 1)


_TABLE: Final = {
    # The scripts of Europe map to themselves, since a missing entry costs more.
    **{code_point: chr(code_point) for code_point in range(0x530)},
    **dict.fromkeys(_code_points(_DELIMITERS), " "),
    ord("ς"): "σ",  # MongoDB keeps one of the letter's two lower-case forms.
}
# The same, and lower case, for ASCII texts: much faster.
_ASCII_TABLE: Final = bytes(
    ord(_TABLE[n].lower()) if n < 128 else n for n in range(256)
)
# The blocks of combining diacritical marks.
_MARKS: Final = dict.fromkeys(
    _code_points("300-36f 1ab0-1aff 1dc0-1dff 20d0-20ff fe20-fe2f")
)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, in order."""
    if text.isascii():
        words = text.encode("ascii").translate(_ASCII_TABLE).decode("ascii").split()
    else:
        words = text.lower().translate(_TABLE).split()
    if len(text) > WORD_LIMIT:
        words = [word for word in words if len(word) <= WORD_LIMIT]
    return words


def terms_of(text: str) -> list[str]:
    """The terms in the index for the words of a text, in order."""
    return terms_of_words(words_of(text))


def terms_of_words(words: Sequence[str]) -> list[str]:
    """The terms in the index for these words, in order, without those that have none."""
    terms = list(map(kept_terms.get, words))
    if None in terms:
        new = _new_terms([word for word, term in zip(words, terms) if term is None])
        terms = [
            new[word] if term is None else term for word, term in zip(words, terms)
        ]
    return list(filter(None, terms))


def _new_terms(words: list[str]) -> dict[str, str]:
    # Numbers have no other stem, and are too many to be kept.
    numbers = {word: word for word in words if word.isascii() and word.isdigit()}
    if len(numbers) == len(words):
        return numbers
    words = [word for word in words if word not in numbers]
    # A new one for each call, because two threads must not use the same.
    stems = Stemmer.Stemmer("english", 0).stemWords(words)
    new = dict(zip(words, map(_without_marks, stems)))
    if len(kept_terms) + len(new) > KEPT:
        kept_terms.clear()
    if len(new) <= KEPT:
        kept_terms.update(new)
    return new | numbers


def _without_marks(word: str) -> str:
    if word.isascii():
        return word
    marked = unicode.normalize("NFD", word)
    return unicode.normalize("NFC", marked.translate(_MARKS))
