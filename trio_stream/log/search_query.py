"""What a text search asks for, read as MongoDB reads it.

Words are alternatives: a document needs one of them. Text between double quotes is a phrase that
must occur, and its words are alternatives too. A hyphen at the beginning of a word or a phrase,
after white space, excludes documents that contain it, or anything joined to it; any other hyphen
only divides words. An unclosed quote is ignored. English stop words are neither looked for nor
excluded, so a text of nothing else finds nothing, and so does one that only excludes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from trio_stream.transactions.words import terms_of, words_of

# The white space that ends an exclusion, the two signs, and whatever is between.
_PIECE: Final = re.compile(r'(?P<space>[ \n\v\f\r]+)|(?P<sign>[-"])|[^- \n\v\f\r"]+')

STOP_WORDS: Final = frozenset("""
    a about above after again against all am an and any are aren't as at be because been
    before being below between both but by can't cannot could couldn't did didn't do does
    doesn't doing don't down during each few for from further had hadn't has hasn't have
    haven't having he he'd he'll he's her here here's hers herself him himself his how how's
    i i'd i'll i'm i've if in into is isn't it it's its itself let's me more most mustn't my
    myself no nor not of off on once only or other ought our ours ourselves out over own same
    shan't she she'd she'll she's should shouldn't so some such than that that's the their
    theirs them themselves then there there's these they they'd they'll they're they've this
    those through to too under until up very was wasn't we we'd we'll we're we've were weren't
    what what's when when's where where's which while who who's whom why why's with won't would
    wouldn't you you'd you'll you're you've your yours yourself yourselves
    """.split())


@dataclass(slots=True)
class SearchQuery:
    """One of `words`, all of `phrases`, and nothing that is excluded; no duplicates."""

    words: list[str] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)
    excluded_words: list[str] = field(default_factory=list)
    excluded_phrases: list[str] = field(default_factory=list)


def read_query(text: str) -> SearchQuery:
    """The query in a text; any text is a query."""
    pieces = _Pieces()
    # The character that separates strings in the index is not part of any.
    text = text.replace("\ue000", " ")
    for match in _PIECE.finditer(text):
        if match["space"]:
            pieces.after_space = True
            continue
        if match["sign"] == "-":
            pieces.hyphen()
        elif match["sign"]:
            pieces.quote(match.start())
        else:
            pieces.text(match[0])
        pieces.after_space = False
    phrases = [text[start + 1 : end] for start, end in pieces.phrases]
    excluded = [text[start + 1 : end] for start, end in pieces.excluded_phrases]
    return SearchQuery(
        _words(pieces.words),
        _phrases(phrases),
        _words(pieces.excluded_words),
        _phrases(excluded),
    )


class _Pieces:
    """The state in which a query is read, piece by piece."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.excluded_words: list[str] = []
        self.phrases: list[tuple[int, int]] = []
        self.excluded_phrases: list[tuple[int, int]] = []
        self.after_space = True
        self._excludes = False
        self._quote: int | None = None

    def hyphen(self) -> None:
        if self._quote is None and self.after_space:
            self._excludes = True

    def quote(self, place: int) -> None:
        if self._quote is None:
            self._quote = place
            self._excludes &= not self.after_space
            return
        phrases = self.excluded_phrases if self._excludes else self.phrases
        phrases.append((self._quote, place))
        self._quote = None

    def text(self, text: str) -> None:
        if self._quote is not None and self._excludes:
            return
        self._excludes &= not self.after_space
        (self.excluded_words if self._excludes else self.words).append(text)


def _words(texts: Iterable[str]) -> list[str]:
    words = [word for text in texts for word in words_of(text)]
    return [
        word
        for word in dict.fromkeys(words)
        if word not in STOP_WORDS and _is_searchable(word)
    ]


def _phrases(texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if _is_searchable(text)]


def _is_searchable(text: str) -> bool:
    return bool(terms_of(text))
