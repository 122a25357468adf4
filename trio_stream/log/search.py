"""Text search over assets and metadata, in SQLite's own index of words (FTS5).

The index is written in the block's own transaction, so whatever is committed can be found. It holds
no text, only where words occur, and has rows only for transactions with any. A word that is an id
finds the document with that id, in addition to those that contain it as text.

Whatever a user writes becomes quoted strings in an expression of ours, so no text is an error. A
search that has to look at too much is abandoned, because it holds up checkpoints while it runs.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Final

import apsw

from trio_stream.log.lookups import position_of
from trio_stream.log.rows import row, rows
from trio_stream.log.search_query import SearchQuery, read_query
from trio_stream.transactions.ids import ID
from trio_stream.transactions.words import terms_of

SEARCH_SECONDS: Final = 5.0
# Steps of SQLite's machine between two looks at the clock: less than a millisecond.
_STEPS: Final = 10_000

_ANY_CASE_ID: Final = re.compile(ID.pattern, re.IGNORECASE)


class Documents(Enum):
    """Which documents are searched; the value is the column of the index."""

    ASSETS = "asset"
    METADATA = "metadata"


class SearchTooLong(Exception):
    """A search took too long and was abandoned."""


def search(
    documents: Documents, text: str, limit: int, connection: apsw.Connection
) -> array[int] | None:
    """Positions of the transactions whose document is found, best first, ties by age.

    At most `limit`, if it is not 0. None if the search was abandoned.
    """
    query = read_query(text.replace("\0", " "))
    if not query.words:
        return array("q")
    deadline = time.monotonic() + SEARCH_SECONDS
    connection.set_progress_handler(partial(_is_late, deadline), _STEPS)
    try:
        return _search(documents, query, limit, connection)
    except apsw.InterruptError:
        return None
    finally:
        connection.set_progress_handler(None)


def _is_late(deadline: float) -> bool:
    return time.monotonic() > deadline


def _search(
    documents: Documents, query: SearchQuery, limit: int, connection: apsw.Connection
) -> array[int]:
    named = _named(documents, query, connection)
    excluded = _places(query.excluded_words + query.excluded_phrases, connection)
    found = array("q", [at for at in named if at not in excluded])
    passed = excluded | set(named)
    sql = "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank, rowid LIMIT ?"
    # Documents that are skipped must not use up the limit.
    most = limit + len(passed) if limit else -1
    matches = connection.execute(sql, (_expression(documents, query), most))
    found.extend(at for (at,) in matches if at not in passed)
    return found[:limit] if limit else found


def _named(
    documents: Documents, query: SearchQuery, connection: apsw.Connection
) -> list[int]:
    """Documents whose id is one of the words, and that the rest of the query allows."""
    return sorted(
        at
        for at, name in _ids(query.words, connection).items()
        if _exists(documents, at, connection)
        and _holds_besides(documents, query, at, name, connection)
    )


def _exists(documents: Documents, at: int, connection: apsw.Connection) -> bool:
    # Every transaction has metadata, if only null.
    if documents is Documents.METADATA:
        return True
    sql = "SELECT 1 FROM transactions WHERE position = ? AND asset_id IS NULL"
    return row(connection, sql, at) is not None


def _holds_besides(
    documents: Documents,
    query: SearchQuery,
    at: int,
    name: str,
    connection: apsw.Connection,
) -> bool:
    """Whether a document with this id has all phrases, and nothing that is excluded."""
    phrases = [each for each in query.phrases if each.strip().lower() != name]
    if phrases and not _matches(documents, _all(phrases), at, connection):
        return False
    excluded = [*query.excluded_words, *query.excluded_phrases]
    return not (excluded and _matches(documents, _any(excluded), at, connection))


def _matches(
    documents: Documents, expression: str, at: int, connection: apsw.Connection
) -> bool:
    sql = "SELECT 1 FROM texts WHERE texts MATCH ? AND rowid = ?"
    return row(connection, sql, _within(documents, expression), at) is not None


def _ids(words: Iterable[str], connection: apsw.Connection) -> dict[int, str]:
    """Which words are ids, by position."""
    names = [
        word.strip().lower() for word in words if _ANY_CASE_ID.fullmatch(word.strip())
    ]
    places = {position_of(name, connection): name for name in names}
    return {at: name for at, name in places.items() if at is not None}


def _places(words: Iterable[str], connection: apsw.Connection) -> set[int]:
    return set(_ids(words, connection))


def _expression(documents: Documents, query: SearchQuery) -> str:
    wanted = _any(query.words)
    if query.phrases:
        wanted = f"({wanted} AND {_all(query.phrases)})"
    excluded = [*query.excluded_words, *query.excluded_phrases]
    return _within(documents, f"{wanted} NOT {_any(excluded)}" if excluded else wanted)


def _within(documents: Documents, expression: str) -> str:
    return f"{{{documents.value}}} : ({expression})"


def _any(texts: Sequence[str]) -> str:
    return f"({' OR '.join(map(_quoted, texts))})"


def _all(texts: Sequence[str]) -> str:
    return f"({' AND '.join(map(_quoted, texts))})"


def _quoted(text: str) -> str:
    # None of its terms holds a quote.
    return f'"{" ".join(terms_of(text))}"'


def bodies(
    positions: Sequence[int], max_bytes: int, connection: apsw.Connection
) -> list[tuple[str, bytes]]:
    """Id and bytes of these transactions, from the first on, and more up to `max_bytes`."""
    found: list[tuple[str, bytes]] = []
    sql = "SELECT id, raw FROM transactions JOIN bodies USING (position) WHERE position = ?"
    for position in positions:
        transaction_id, raw = rows(connection, sql, position)[0]
        found.append((transaction_id, raw))
        max_bytes -= len(raw)
        if max_bytes <= 0:
            break
    return found
