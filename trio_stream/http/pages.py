"""JSON arrays of any length, made of pages.

A long array is not built: when it does not end with its first page, the answer is an iterator of
pieces that reads page after page as the client takes them, and holds a page at a time, or two at
first where only the second says whether there is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Self

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.log.lookups import Cursor

Turn = Callable[[Cursor], Awaitable[tuple[bytes, Cursor | None]]]
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
    """Pages of items, one after the other, without those that have none."""

    def __init__(self, turn: Turn, after: Cursor) -> None:
        self._turn = turn
        self._next: Cursor | None = after

    @property
    def are_all(self) -> bool:
        """No page is left."""
        return self._next is None

    async def next(self) -> bytes | None:
        """The next items; None after the last. Always a checkpoint."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._next is not None:
            items, self._next = await self._turn(self._next)
            if items:
                return items
        await trio.lowlevel.cancel_shielded_checkpoint()
        return None


async def answer_array(
    turn: Turn,
    after: Cursor,
    *,
    begin: bytes = b"[",
    end: bytes = b"]\n",
    sure: bool = False,
) -> HttpAnswer | Streamed:
    """The answer whose items, between `begin` and `end`, are on the pages from `after` on.

    `sure`: where a page says that another one follows it has items, so none is read ahead.
    """
    items = _Items(turn, after)
    first = await items.next() or b""
    if sure and not items.are_all:
        return Streamed(begin + first, items, end)
    # One look ahead, so that what has one page has a length.
    second = await items.next()
    if second is None:
        return HttpAnswer(200, begin + first + end)
    return Streamed(b"%b%b, %b" % (begin, first, second), items, end)


def listed(documents: Iterable[object]) -> bytes:
    """The documents as items of an array."""
    return b", ".join([answers.spaced(document).rstrip() for document in documents])
