"""The pages of BigchainDB's arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
import trio

from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.http.answers import NOT_FOUND, HttpAnswer
from trio_stream.http.arrays import ReadPage, answer_array
from trio_stream.http.pages import (
    ALL,
    BlockPages,
    Lookups,
    OutputPages,
    SearchPages,
    TransactionPages,
)
from trio_stream.http.parameters import EarlyAnswer
from trio_stream.http.threads import Threads
from trio_stream.log.lookups import BEGINNING, Cursor, OutputsPage, TransactionsPage
from trio_stream.log.search import Documents

FIRST, SECOND, THIRD = (create(ALICE, metadata={"n": n}) for n in range(3))
RAWS = [encode(each) for each in (FIRST, SECOND, THIRD)]


class Log:
    """Three transactions, one on each page."""

    async def _page(self, after: Cursor, limit: int) -> TransactionsPage:
        await trio.lowlevel.checkpoint()
        begin = after.position + 1
        following = Cursor(begin) if begin < 2 else None
        return TransactionsPage(RAWS[begin : begin + 1], following)

    async def transactions(
        self, asset_id: str, *, operation: str | None, after: Cursor, limit: int
    ) -> TransactionsPage:
        assert (asset_id, operation) == ("asset", "CREATE")
        return await self._page(after, limit)

    async def block(self, height: int, *, after: Cursor) -> TransactionsPage | None:
        return await self._page(after, ALL) if height == 7 else None

    async def outputs(
        self, public_key: str, *, spent: bool | None, after: Cursor, limit: int
    ) -> OutputsPage:
        assert (public_key, spent) == ("key", True)
        await trio.lowlevel.checkpoint()
        begin = after.position + 1
        return OutputsPage(f"{begin}", 1, Cursor(begin) if begin < 2 else None)

    async def bodies(
        self, positions: Sequence[int], *, max_bytes: int
    ) -> list[tuple[str, bytes]]:
        await trio.lowlevel.checkpoint()
        return [(f"id {n}", RAWS[n]) for n in positions[:1]]


LOG = cast(Lookups, Log())


async def items(read: ReadPage[Cursor]) -> Any:
    answer = await answer_array(read, BEGINNING, sure=True)
    if isinstance(answer, HttpAnswer):
        return json.loads(answer.body)
    return json.loads(b"".join([piece async for piece in answer]))


@pytest.mark.parametrize(("limit", "count"), [(None, 3), (1, 1), (2, 2), (3, 3)])
async def test_pages_of_transactions_and_outputs_end_at_the_limit(
    limit: int | None, count: int
) -> None:
    pages = TransactionPages(LOG, Threads(), "asset", "CREATE", limit)
    assert await items(pages.read) == [FIRST, SECOND, THIRD][:count]
    outputs = OutputPages(LOG, "key", True, limit)
    assert await items(outputs.read) == list(range(count))


async def test_pages_of_a_block() -> None:
    pages = BlockPages(LOG, Threads(), 7)
    assert await items(pages.read) == [FIRST, SECOND, THIRD]
    with pytest.raises(EarlyAnswer) as caught:
        await items(BlockPages(LOG, Threads(), 8).read)
    assert caught.value.answer is NOT_FOUND


async def test_pages_of_what_a_search_found() -> None:
    pages = SearchPages(LOG, Threads(), Documents.METADATA, [2, 0])
    found = await items(pages.read)
    assert found == [
        {"id": "id 2", "metadata": {"n": 2}},
        {"id": "id 0", "metadata": {"n": 0}},
    ]
    pages = SearchPages(LOG, Threads(), Documents.ASSETS, [1])
    assert await items(pages.read) == [{"data": SECOND["asset"]["data"], "id": "id 1"}]
