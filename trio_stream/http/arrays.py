"""JSON arrays of any length, made of pages.

A long array is never held as a whole. If there is more than one page, the answer is an iterator
of pieces that reads the next page when the client has taken the last one. It holds one page at a
time, or two at first, if only reading the second page shows whether it has any items.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, Protocol, Self, TypeVar

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer

C = TypeVar("C")
"""A place in a log, behind which a page begins."""

ReadPage = Callable[[C], Awaitable[tuple[bytes, C | None]]]
"""Reads a page: its items as JSON, and where the next one begins."""


class Rest(Protocol):
    """What is left of an array."""

    async def next(self) -> bytes | None:
        """The next items; None after the last."""


class Streamed:
    """A JSON array in pieces, from an iterator that needs no closing."""

    def __init__(self, beginning: bytes, rest: Rest, end: bytes) -> None:
        self._beginning = beginning
        self._rest: Rest | None = rest
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


class _Items(Generic[C]):
    """The items of one page after another; pages without any are skipped."""

    def __init__(self, read: ReadPage[C], after: C) -> None:
        self._read = read
        self._next: C | None = after

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
    read: ReadPage[C],
    after: C,
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
