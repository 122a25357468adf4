"""JSON arrays of any length, made of pages.

A long array is never held as a whole. If there is more than one page, the answer is an iterator
of pieces that reads the next page when the client has taken the last one. It holds one page at a
time, or two at first, if only reading the second page shows whether it has any items.

Below are the arrays of pages that the routes answer with, and what they ask of the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, Self

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.parameters import EarlyAnswer
from trio_stream.http.threads import Threads
from trio_stream.log.elections import Standing
from trio_stream.log.lookups import (
    PAGE_BYTES,
    PAGE_TRANSACTIONS,
    Cursor,
    OutputsPage,
    TransactionsPage,
)
from trio_stream.log.search import Documents
from trio_stream.stream.events import Outcome
from trio_stream.transactions import canonical
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.shown import shown

ALL: Final = 1 << 62
"""More items than there can be, and still an integer that SQLite can add to."""

ReadPage = Callable[[Cursor], Awaitable[tuple[bytes, Cursor | None]]]
"""Reads a page: its items as JSON, and where the next one begins."""


class Streamed:
    """A JSON array in pieces, from an iterator that needs no closing."""

    def __init__(self, beginning: bytes, rest: _Items, end: bytes) -> None:
        self._beginning = beginning
        self._rest: _Items | None = rest
        self._end = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._rest is None:
            raise StopAsyncIteration
        if self._beginning:
            await trio.lowlevel.checkpoint()
            piece, self._beginning = self._beginning, b""
            return piece
        items = await self._rest.next()
        if items is None:
            self._rest = None
            return self._end
        return b", " + items


class _Items:
    """The items of one page after another; pages without any are skipped."""

    def __init__(self, read: ReadPage, after: Cursor) -> None:
        self._read = read
        self._next: Cursor | None = after

    @property
    def are_all(self) -> bool:
        """Whether no page is left."""
        return self._next is None

    async def next(self) -> bytes | None:
        """The next items; None after the last. Always a checkpoint."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._next is not None:
            items, self._next = await self._read(self._next)
            if items:
                return items
        await trio.lowlevel.cancel_shielded_checkpoint()
        return None


async def answer_array(
    read: ReadPage,
    after: Cursor,
    *,
    begin: bytes = b"[",
    end: bytes = b"]\n",
    sure: bool = False,
) -> HttpAnswer | Streamed:
    """An array of the items on all pages after `after`, between `begin` and `end`.

    If `sure`, a page that says that another follows can be trusted to have one with items, so
    the second page is not read ahead.
    """
    items = _Items(read, after)
    first = await items.next() or b""
    if sure and not items.are_all:
        return Streamed(begin + first, items, end)
    # Look one page ahead, so that an answer of a single page has a Content-Length.
    second = await items.next()
    if second is None:
        return HttpAnswer(200, begin + first + end)
    return Streamed(b"%b%b, %b" % (begin, first, second), items, end)


def listed(documents: Iterable[object]) -> bytes:
    """The documents as the items of an array, without its brackets."""
    return b", ".join([answers.spaced(document).rstrip() for document in documents])


class Lookups(Protocol):
    """What the routes ask of the committed state."""

    async def transaction(self, transaction_id: str) -> bytes | None: ...

    async def block(self, height: int, *, after: Cursor) -> TransactionsPage | None: ...

    async def position_of(self, transaction_id: str) -> int | None: ...

    async def outcome(self, transaction_id: str) -> Outcome | None: ...

    async def heights_with(self, transaction_id: str) -> list[int]: ...

    async def validators(self) -> list[Validator]: ...

    async def election(self, election_id: str) -> Standing | None: ...

    async def outputs(
        self, public_key: str, *, spent: bool | None, after: Cursor, limit: int
    ) -> OutputsPage: ...

    async def transactions(
        self, asset_id: str, *, operation: str | None, after: Cursor, limit: int
    ) -> TransactionsPage: ...

    async def last_transaction(
        self, asset_id: str, *, operation: str | None, after: Cursor
    ) -> TransactionsPage: ...

    async def search(
        self, documents: Documents, text: str, limit: int
    ) -> Sequence[int]: ...

    async def bodies(
        self, positions: Sequence[int], *, max_bytes: int
    ) -> list[tuple[str, bytes]]: ...


class OutputPages:
    """Pages of a key's outputs, at most `limit` of them in all."""

    def __init__(
        self, reader: Lookups, key: str, spent: bool | None, limit: int | None
    ) -> None:
        self._reader = reader
        self._key = key
        self._spent = spent
        self._left = limit or ALL

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.outputs(
            self._key, spent=self._spent, after=after, limit=self._left
        )
        self._left -= page.number
        return page.text.encode("ascii"), page.next if self._left else None


class BlockPages:
    """Pages of a block's transactions; `read` raises `EarlyAnswer` if there is no such block."""

    def __init__(self, reader: Lookups, threads: Threads, height: int) -> None:
        self._reader = reader
        self._threads = threads
        self._height = height

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.block(self._height, after=after)
        if page is None:
            raise EarlyAnswer(answers.NOT_FOUND)
        return await written(self._threads, page.raws), page.next


class TransactionPages:
    """Pages of an asset's transactions, at most `limit` of them in all."""

    def __init__(
        self,
        reader: Lookups,
        threads: Threads,
        asset_id: str,
        operation: str | None,
        limit: int | None,
    ) -> None:
        self._reader = reader
        self._threads = threads
        self._asset_id = asset_id
        self._operation = operation
        self._left = limit or ALL

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.transactions(
            self._asset_id, operation=self._operation, after=after, limit=self._left
        )
        self._left -= len(page.raws)
        items = await written(self._threads, page.raws)
        return items, page.next if self._left else None


class SearchPages:
    """Pages of the documents that a search has found, by their positions."""

    def __init__(
        self,
        reader: Lookups,
        threads: Threads,
        documents: Documents,
        found: Sequence[int],
    ) -> None:
        self._reader = reader
        self._threads = threads
        self._document = _asset if documents is Documents.ASSETS else _metadata
        self._found = found

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        begin = after.position + 1
        some = self._found[begin : begin + PAGE_TRANSACTIONS]
        bodies = await self._reader.bodies(some, max_bytes=PAGE_BYTES)
        items = await self._threads.run(
            lambda: listed(self._document(*each) for each in bodies),
            size=sum(len(raw) for _, raw in bodies),
        )
        end = begin + len(bodies)
        return items, Cursor(end - 1) if end < len(self._found) else None


async def written(threads: Threads, raws: Sequence[bytes]) -> bytes:
    """Transactions as the items of an array, without its brackets."""
    return await threads.run(lambda: listed(map(shown, raws)), size=sum(map(len, raws)))


def _asset(transaction_id: str, raw: bytes) -> dict[str, object]:
    document = _document(raw)
    return {"data": document["asset"]["data"], "id": transaction_id}


def _metadata(transaction_id: str, raw: bytes) -> dict[str, object]:
    return {"id": transaction_id, "metadata": _document(raw)["metadata"]}


def _document(raw: bytes) -> dict[str, Any]:
    document = canonical.decode(raw)
    assert isinstance(document, dict)
    return document
