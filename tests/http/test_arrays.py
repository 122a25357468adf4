"""Arrays of pages: what is read when, and what is sent."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed, answer_array, listed
from trio_stream.log.lookups import BEGINNING, Cursor


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
