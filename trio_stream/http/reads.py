"""What GET answers from the committed state, for requests with parameters.

Each method takes a query string and returns an answer. All pages of an array show the same state,
the one that the first page saw.

`limit` and `after` are not BigchainDB's. `after` is taken from an item of the array itself, so a
client can go on after the last item it has, on any node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Final, Protocol, TypeGuard

from trio_stream.http import answers, parameters
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed, answer_array
from trio_stream.http.elections import shown_validator
from trio_stream.http.pages import (
    ALL,
    BlockPages,
    Lookups,
    OutputPages,
    SearchPages,
    TransactionPages,
    written,
)
from trio_stream.http.parameters import EarlyAnswer, Given
from trio_stream.http.threads import Threads
from trio_stream.ledger.recent_checks import Check
from trio_stream.log.lookups import BEGINNING, Cursor
from trio_stream.log.search import Documents, SearchTooLong
from trio_stream.stream.events import CommitEvent, Outcome, RefusalEvent
from trio_stream.stream.position import position_text
from trio_stream.transactions.shown import shown

EMPTY_SEARCH: Final = answers.error(400, "text_search cannot be empty")
SEARCH_TOO_LONG: Final = answers.error(
    503, "The search finds too much: ask for rarer words, or for a phrase"
)


class CheckOutcomes(Protocol):
    """What is known from checks, before a block decides."""

    def newest(self, transaction_id: str) -> Check | None: ...


Get = Callable[["Reads", bytes], Awaitable[HttpAnswer | Streamed]]


def _answered(get: Get) -> Get:
    """Answers with the refusal if a parameter is refused."""

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
        self, reader: Lookups, checks: CheckOutcomes, threads: Threads | None = None
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
            # Only our own clients use these two, so here an unknown name is a mistake.
            given.nothing_else()
        after = BEGINNING
        if last_seen is not None:
            after = Cursor(await self._place("after", last_seen))
        if only_last:
            page = await self._reader.last_transaction(
                asset_id, operation=operation, after=after
            )
            items = await written(self._threads, page.raws)
            return HttpAnswer(200, b"[%b]\n" % items)
        pages = TransactionPages(
            self._reader, self._threads, asset_id, operation, limit
        )
        return await answer_array(pages.read, after, sure=True)

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
        pages = OutputPages(self._reader, key, spent, limit)
        return await answer_array(pages.read, after)

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
        # Asked before the log, so that a block which the log does not know yet is newer than
        # this check.
        check = self._checks.newest(transaction_id)
        outcome = await self._reader.outcome(transaction_id)
        known = {"transaction_id": transaction_id, **_status(outcome, check)}
        return HttpAnswer(200, answers.spaced(known))

    async def validators(self, _: bytes) -> HttpAnswer:
        """The newest set of validators."""
        found = await self._reader.validators()
        return HttpAnswer(
            200, answers.spaced([shown_validator(each) for each in found])
        )

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
            found = await self._reader.search(documents, text, min(abs(limit), ALL))
        except SearchTooLong:
            return SEARCH_TOO_LONG
        pages = SearchPages(self._reader, self._threads, documents, found)
        return await answer_array(pages.read, BEGINNING, sure=True)

    async def _place(self, name: str, transaction_id: str) -> int:
        found = await self._reader.position_of(transaction_id)
        if found is None:
            raise parameters.bad(name, "No such transaction")
        return found


async def answer_block(
    reader: Lookups, height: int, *, threads: Threads
) -> HttpAnswer | Streamed:
    """The transactions of a block."""
    pages = BlockPages(reader, threads, height)
    begin = b'{"height": %d, "transactions": [' % height
    try:
        return await answer_array(
            pages.read, BEGINNING, begin=begin, end=b"]}\n", sure=True
        )
    except EarlyAnswer as refused:
        return refused.answer


def _shown_text(raw: bytes) -> bytes:
    return answers.spaced(shown(raw))


def _status(outcome: Outcome | None, check: Check | None) -> dict[str, object]:
    """What became of a transaction, as far as one node knows: more than BigchainDB could say.

    What a block says is the same on every node and lasts. What the newest check said is this
    node's own, and counts only if no block has decided since.
    """
    match outcome:
        case CommitEvent():
            return {"status": "committed", **_position(outcome)}
        # A refused transaction may be sent again, and then waits again.
        case RefusalEvent() if not _is_pending(check) or check.height < outcome.height:
            return {
                "status": "refused",
                "by": "block",
                **_position(outcome),
                "error": outcome.error,
                "reason": outcome.reason,
            }
    if check is None:
        return {"status": "unknown"}
    if check.refused is None:
        return {"status": "pending"}
    return {"status": "refused", "by": "check", **check.refused._asdict()}


def _is_pending(check: Check | None) -> TypeGuard[Check]:
    return check is not None and check.refused is None


def _position(outcome: Outcome) -> dict[str, object]:
    height, index = outcome.height, outcome.index
    position = position_text(height, index, outcome.transaction_id)
    return {"position": position, "height": height, "index": index}
