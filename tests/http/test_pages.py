"""Arrays of pages: what is read when, and what is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.http.answers import NOT_FOUND, HttpAnswer
from trio_stream.http.pages import (
    ALL,
    BlockPages,
    Lookups,
    OutputPages,
    ReadPage,
    SearchPages,
    Streamed,
    TransactionPages,
    answer_array,
    listed,
)
from trio_stream.http.parameters import EarlyAnswer
from trio_stream.http.threads import Threads
from trio_stream.log.lookups import BEGINNING, Cursor, OutputsPage, TransactionsPage
from trio_stream.log.search import Documents


class Pages:
    """`count` pages with one number each; those in `empty` have no items."""

    def __init__(self, count: int, *, empty: tuple[int, ...] = ()) -> None:
        self.count = count
        self.empty = empty
        self.read_so_far = 0
        self.breaks_at: int | None = None

    async def read(self, after: Cursor) -> tuple[bytes, Cursor | None]:
        await trio.lowlevel.checkpoint()
        page = after.position + 1
        assert page == self.read_so_far
        if page == self.breaks_at:
            raise RuntimeError("the log is broken")
        self.read_so_far += 1
        items = b"" if page in self.empty else b"%d" % page
        return items, Cursor(page) if page + 1 < self.count else None


async def whole(pages: Pages) -> bytes:
    answer = await answer_array(pages.read, BEGINNING)
    if isinstance(answer, HttpAnswer):
        assert answer.status == 200
        return answer.body
    return b"".join([piece async for piece in answer])


@pytest.mark.parametrize("empty", [(), (0,), (1,), (0, 1), (2,), (1, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
async def test_pages_are_one_array(count: int, empty: tuple[int, ...]) -> None:
    numbers = [n for n in range(count) if n not in empty]
    body = await whole(Pages(count, empty=empty))
    assert body == json.dumps(numbers).encode() + b"\n"


async def test_an_array_of_one_page_has_a_length() -> None:
    assert isinstance(await answer_array(Pages(1).read, BEGINNING), HttpAnswer)
    pages = Pages(5, empty=(0, 2, 3, 4))
    assert isinstance(await answer_array(pages.read, BEGINNING), HttpAnswer)


async def test_no_page_is_read_ahead_where_one_is_sure_to_follow() -> None:
    pages = Pages(3)
    answer = await answer_array(pages.read, BEGINNING, sure=True)
    assert pages.read_so_far == 1 and isinstance(answer, Streamed)
    assert b"".join([piece async for piece in answer]) == b"[0, 1, 2]\n"
    answer = await answer_array(Pages(1).read, BEGINNING, sure=True)
    assert isinstance(answer, HttpAnswer) and answer.body == b"[0]\n"


async def test_a_page_is_read_when_the_client_has_taken_the_one_before() -> None:
    pages = Pages(100)
    answer = await answer_array(pages.read, BEGINNING)
    assert isinstance(answer, Streamed)
    assert pages.read_so_far == 2
    for taken in range(50):
        await anext(answer)
        assert pages.read_so_far == taken + 2
    # Who takes no more has no more read for him.
    await wait_all_tasks_blocked()
    assert pages.read_so_far == 51


async def test_a_page_that_fails_ends_the_array_without_its_end() -> None:
    pages = Pages(5)
    pages.breaks_at = 3
    answer = await answer_array(pages.read, BEGINNING)
    assert isinstance(answer, Streamed)
    assert [await anext(answer), await anext(answer)] == [b"[0, 1", b", 2"]
    with pytest.raises(RuntimeError):
        await anext(answer)


async def test_the_end_comes_once() -> None:
    answer = await answer_array(Pages(2).read, BEGINNING)
    assert isinstance(answer, Streamed)
    assert [piece async for piece in answer] == [b"[0, 1", b"]\n"]
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(answer)


async def test_what_stands_around_the_items_is_the_callers() -> None:
    for count, expected in (1, b"{0}"), (3, b"{0, 1, 2}"):
        answer = await answer_array(Pages(count).read, BEGINNING, begin=b"{", end=b"}")
        if isinstance(answer, HttpAnswer):
            assert answer.body == expected
        else:
            assert b"".join([piece async for piece in answer]) == expected


def test_items_are_separated_as_in_an_array() -> None:
    documents = [{"é": 1}, [2.5], "x"]
    assert b"[%b]" % listed(documents) == json.dumps(documents).encode()


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


async def items(read: ReadPage) -> Any:
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
