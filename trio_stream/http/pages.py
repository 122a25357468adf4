"""The pages of the arrays that BigchainDB's routes answer with, and what they ask of the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from trio_stream.http import answers
from trio_stream.http.arrays import listed
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
