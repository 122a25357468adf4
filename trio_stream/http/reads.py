"""What GET answers from the committed state, for requests that carry parameters.

Each method takes the query string and gives an answer; arrays are of one state, that which the
first page saw.

`limit` and `after` are not BigchainDB's. `after` is what an array says of its own items, so a
client goes on with the last one it has got, on any node.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from typing import Any, Final, Protocol

from trio_stream.http import answers, parameters
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.pages import Streamed, answer_array, listed
from trio_stream.http.parameters import EarlyAnswer, Given
from trio_stream.http.status import status
from trio_stream.http.threads import Threads
from trio_stream.ledger.block import Validator
from trio_stream.ledger.recent_checks import Check
from trio_stream.log.lookups import (
    BEGINNING,
    PAGE_BYTES,
    PAGE_TRANSACTIONS,
    Cursor,
    OutputsPage,
    TransactionsPage,
)
from trio_stream.log.search import Documents, SearchTooLong
from trio_stream.stream.events import Outcome
from trio_stream.transactions import canonical
from trio_stream.transactions.shown import shown

# More than there can be, and SQLite can count on from it.
_ALL: Final = 1 << 62

EMPTY_SEARCH: Final = answers.error(400, "text_search cannot be empty")
SEARCH_TOO_LONG: Final = answers.error(
    503, "The search finds too much: ask for rarer words, or for a phrase"
)


class Lookups(Protocol):
    """What is asked of the committed state."""

    async def transaction(self, transaction_id: str) -> bytes | None: ...

    async def block(self, height: int, *, after: Cursor) -> TransactionsPage | None: ...

    async def place(self, transaction_id: str) -> int | None: ...

    async def outcome(self, transaction_id: str) -> Outcome | None: ...

    async def heights_with(self, transaction_id: str) -> list[int]: ...

    async def validators(self) -> list[Validator]: ...

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


class Checks(Protocol):
    """What is known of checks before a block."""

    def newest(self, transaction_id: str) -> Check | None: ...


Get = Callable[["Reads", bytes], Awaitable[HttpAnswer | Streamed]]


def _answered(get: Get) -> Get:
    """Also where a parameter is refused."""

    @wraps(get)
    async def answered(self: Reads, query: bytes) -> HttpAnswer | Streamed:
        try:
            return await get(self, query)
        except EarlyAnswer as refused:
            return refused.answer

    return answered


class Reads:
    """Answers GET requests with parameters; every query string gets an answer."""

    def __init__(
        self, reader: Lookups, checks: Checks, threads: Threads | None = None
    ) -> None:
        self._reader = reader
        self._checks = checks
        self._threads = threads or Threads()

    async def transaction(self, transaction_id: str) -> HttpAnswer:
        """The committed transaction of this id."""
        raw = await self._reader.transaction(transaction_id)
        if raw is None:
            return answers.NOT_FOUND
        write = partial(_shown_text, raw)
        return HttpAnswer(200, await self._threads.run(write, size=len(raw)))

    @_answered
    async def transactions(self, query: bytes) -> HttpAnswer | Streamed:
        """The transactions of an asset."""
        given = Given(query)
        operation = given.optional("operation", parameters.operation)
        asset_id = given.required("asset_id", parameters.hash_text)
        only_last = given.optional("last_tx", parameters.boolean)
        limit = given.optional("limit", parameters.count)
        last_seen = given.optional("after", parameters.hash_text)
        if limit is None and last_seen is None:
            given.nothing_misspelt()
        else:
            given.nothing_else()  # these two are ours, and who writes them speaks to us
        after = BEGINNING
        if last_seen is not None:
            after = Cursor(await self._place("after", last_seen))
        if only_last:
            page = await self._reader.last_transaction(
                asset_id, operation=operation, after=after
            )
            items = await _written(self._threads, page.raws)
            return HttpAnswer(200, b"[%b]\n" % items)
        turn = _TransactionsTurn(
            self._reader, self._threads, asset_id, operation, limit
        )
        return await answer_array(turn.read, after, sure=True)

    @_answered
    async def outputs(self, query: bytes) -> HttpAnswer | Streamed:
        """The outputs of a key."""
        given = Given(query)
        key = given.required("public_key", parameters.public_key)
        spent = given.optional("spent", parameters.boolean)
        limit = given.optional("limit", parameters.count)
        last_seen = given.optional("after", parameters.output)
        given.nothing_else()
        after = BEGINNING
        if last_seen is not None:
            transaction_id, output_index = last_seen
            after = Cursor(await self._place("after", transaction_id), output_index)
        turn = _OutputsTurn(self._reader, key, spent, limit)
        return await answer_array(turn.read, after)

    @_answered
    async def blocks(self, query: bytes) -> HttpAnswer | Streamed:
        """The heights of the blocks that hold a transaction."""
        given = Given(query)
        transaction_id = given.required("transaction_id", str)
        given.nothing_else()
        heights = await self._reader.heights_with(transaction_id)
        return HttpAnswer(200, answers.spaced(heights))

    @_answered
    async def assets(self, query: bytes) -> HttpAnswer | Streamed:
        """The assets that a text search finds."""
        return await self._search(Documents.ASSETS, query)

    @_answered
    async def metadata(self, query: bytes) -> HttpAnswer | Streamed:
        """The metadata that a text search finds."""
        return await self._search(Documents.METADATA, query)

    @_answered
    async def statuses(self, query: bytes) -> HttpAnswer | Streamed:
        """What became of a transaction, as far as this node knows."""
        given = Given(query)
        transaction_id = given.required("transaction_id", parameters.hash_text)
        given.nothing_else()
        # Before the log is asked: what it has not heard of by then is decided after this check.
        check = self._checks.newest(transaction_id)
        outcome = await self._reader.outcome(transaction_id)
        known = {"transaction_id": transaction_id, **status(outcome, check)}
        return HttpAnswer(200, answers.spaced(known))

    async def validators(self, _: bytes) -> HttpAnswer:
        """The newest set of validators."""
        found = await self._reader.validators()
        return HttpAnswer(200, answers.spaced([_validator(each) for each in found]))

    async def _search(
        self, documents: Documents, query: bytes
    ) -> HttpAnswer | Streamed:
        given = Given(query)
        text = given.required("search", str)
        limit = given.optional("limit", parameters.whole) or 0
        if not text:
            return EMPTY_SEARCH
        given.nothing_misspelt()
        try:
            found = await self._reader.search(documents, text, min(abs(limit), _ALL))
        except SearchTooLong:
            return SEARCH_TOO_LONG
        turn = _SearchTurn(self._reader, self._threads, documents, found)
        return await answer_array(turn.read, BEGINNING, sure=True)

    async def _place(self, name: str, transaction_id: str) -> int:
        found = await self._reader.place(transaction_id)
        if found is None:
            raise parameters.bad(name, "No such transaction")
        return found


async def answer_block(
    reader: Lookups, height: int, *, threads: Threads
) -> HttpAnswer | Streamed:
    """The transactions of a block."""
    turn = _BlockTurn(reader, threads, height)
    begin = b'{"height": %d, "transactions": [' % height
    try:
        return await answer_array(
            turn.read, BEGINNING, begin=begin, end=b"]}\n", sure=True
        )
    except EarlyAnswer as refused:
        return refused.answer


class _OutputsTurn:
    """Pages of a key's outputs until there are enough."""

    def __init__(
        self, reader: Lookups, key: str, spent: bool | None, limit: int | None
    ) -> None:
        self._reader = reader
        self._key = key
        self._spent = spent
        self._left = limit or _ALL

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.outputs(
            self._key, spent=self._spent, after=after, limit=self._left
        )
        self._left -= page.number
        return page.text.encode("ascii"), page.next if self._left else None


class _BlockTurn:
    """Pages of a block's transactions."""

    def __init__(self, reader: Lookups, threads: Threads, height: int) -> None:
        self._reader = reader
        self._threads = threads
        self._height = height

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.block(self._height, after=after)
        if page is None:
            raise EarlyAnswer(answers.NOT_FOUND)
        return await _written(self._threads, page.raws), page.next


class _TransactionsTurn:
    """Pages of an asset's transactions until there are enough."""

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
        self._left = limit or _ALL

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        page = await self._reader.transactions(
            self._asset_id, operation=self._operation, after=after, limit=self._left
        )
        self._left -= len(page.raws)
        items = await _written(self._threads, page.raws)
        return items, page.next if self._left else None


class _SearchTurn:
    """Pages of what a search has found."""

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


def _shown_text(raw: bytes) -> bytes:
    return answers.spaced(shown(raw))


async def _written(threads: Threads, raws: Sequence[bytes]) -> bytes:
    """Transactions as items of an array."""
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


def _validator(validator: Validator) -> dict[str, object]:
    return {
        "public_key": {
            "type": f"{validator.key_type}-base64",
            "value": base64.b64encode(validator.key).decode("ascii"),
        },
        "voting_power": validator.power,
    }
