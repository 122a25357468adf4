"""Pages of a followed chain as frames, for subscribers that are behind.

A page is the result of one read: joined frames of what is selected, bounded in bytes, in rows and
in bytes looked at, and how far it looked, which is further each time even if nothing matches. The
messages of one position are one unit, which no reader is given a part of: the events of a
transaction are several messages, and a position can't say how many of them were seen.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

import apsw

from trio_stream.abci.messages import Time
from trio_stream.cometbft.followed import Gap
from trio_stream.feeds.chooser import Chooser
from trio_stream.feeds.messages import BlockHead, TxHead, gap_text
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.log.followed.blocks import (
    read_bare_results,
    read_transaction,
)
from trio_stream.log.followed.matches import candidates
from trio_stream.log.followed.rows import newest
from trio_stream.log.matches import Span
from trio_stream.log.rows import rows
from trio_stream.stream.frames import Frames, text_frame
from trio_stream.stream.messages import time_text
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS, Position, key_of

LOOKED_BYTES: Final = 128 * 1024
"""Of compressed bodies: to read and search them takes some 20 ms of Python."""


_BLOCK: Final = "height, blocks.hash, blocks.transactions, seconds, nanos"
_TRANSACTION: Final = f"position, transactions.hash, base64, body, {_BLOCK}"
_JOINED: Final = (
    "CROSS JOIN transaction_bodies USING (position)"
    f" CROSS JOIN blocks ON height = position >> {INDEX_BITS}"
)
_TRANSACTIONS: Final = (
    f"SELECT {_TRANSACTION} FROM transactions {_JOINED}"
    " WHERE position > ? AND position <= ? ORDER BY position"
)
_CHOSEN_TRANSACTIONS: Final = (
    f"SELECT {_TRANSACTION} FROM json_each(?) AS chosen"
    f" CROSS JOIN transactions ON position = chosen.value {_JOINED}"
)
_BLOCKS: Final = (
    f"SELECT base64, body, {_BLOCK} FROM blocks CROSS JOIN block_bodies USING (height)"
    " WHERE height BETWEEN ? AND ? ORDER BY height"
)
_CHOSEN_BLOCKS: Final = (
    f"SELECT base64, body, {_BLOCK} FROM json_each(?) AS chosen"
    " CROSS JOIN blocks ON height = chosen.value CROSS JOIN block_bodies USING (height)"
)
_GAPS: Final = (
    "SELECT first, last, reason, detail FROM gaps WHERE last BETWEEN ? AND ?"
    " ORDER BY first"
)


class _Unit(NamedTuple):
    """All messages of one position, and what it took to find them."""

    key: int
    texts: list[bytes]
    looked: int


class _Part:
    """Some of the log, as a selection sees it."""

    def __init__(
        self,
        connection: apsw.Connection,
        selection: FeedSelection,
        span: Span,
        keys: Sequence[int] | None,
    ) -> None:
        self._connection = connection
        self._feed = selection.feed
        self._chooser = Chooser(selection)
        self._span = span
        self._keys = keys

    def units(self, cursors: ExitStack) -> Iterable[_Unit]:
        """What there is at each position, in order; also positions where nothing is selected."""
        feed = self._feed
        sources = [self._gaps(cursors)]
        if feed is not Feed.BLOCKS:
            sources.append(self._transactions(cursors))
        if feed is not Feed.TRANSACTIONS:
            sources.append(self._blocks(cursors))
        return merge(*sources, key=attrgetter("key"))

    def _rows(self, cursors: ExitStack, sql: str, *bindings: object) -> apsw.Cursor:
        return cursors.enter_context(closing(self._connection.execute(sql, bindings)))

    def _gaps(self, cursors: ExitStack) -> Iterator[_Unit]:
        first, last = _heights_that_end(self._span)
        found = self._rows(cursors, _GAPS, first, last)
        for each in found:
            gap = Gap(*each)
            yield _Unit(key_of(gap.last, END_OF_BLOCK), [gap_text(gap)], 0)

    def _transactions(self, cursors: ExitStack) -> Iterator[_Unit]:
        sql = _TRANSACTIONS
        bindings: list[object] = [*self._span]
        if self._keys is not None:
            sql, bindings = _CHOSEN_TRANSACTIONS, [json.dumps(self._keys)]
        for key, digest, base64, body, *block in self._rows(cursors, sql, *bindings):
            position = Position.of_key(key)
            head = TxHead(block_head(*block), position.index, digest.hex().upper())
            tx, result = read_transaction(base64, body)
            texts = self._chooser.transaction(head, tx, result)
            yield _Unit(key, texts, len(body))

    def _blocks(self, cursors: ExitStack) -> Iterator[_Unit]:
        bindings: list[object] = [*_heights_that_end(self._span)]
        sql = _BLOCKS
        if self._keys is not None:
            places = map(Position.of_key, self._keys)
            heights = [each.height for each in places if each.is_end_of_block]
            sql, bindings = _CHOSEN_BLOCKS, [json.dumps(heights)]
        for base64, body, *block in self._rows(cursors, sql, *bindings):
            head = block_head(*block)
            phased = [*read_bare_results(base64, body).block_events()]
            key = key_of(head.height, END_OF_BLOCK)
            yield _Unit(key, self._chooser.block(head, phased), len(body))


def block_head(
    height: int, digest: bytes, count: int, seconds: int, nanos: int
) -> BlockHead:
    """What messages say of a block as a whole, of the columns of its row."""
    time = time_text(Time(seconds, nanos))
    return BlockHead(height, digest.hex().upper(), time, count)


def _heights_that_end(span: Span) -> tuple[int, int]:
    """The first and the last block whose end lies in the span."""
    return (span.after + 1) >> INDEX_BITS, ((span.until + 1) >> INDEX_BITS) - 1


def read_frames(
    connection: apsw.Connection, request: PageRequest[FeedSelection]
) -> Frames:
    """The page that is asked for, up to the tip at most.

    Its end says how far the log was looked through. Raises `BelowOldest`.
    """
    after = request.after
    end = min(request.until, Position.end_of(newest(connection).height))
    if end <= after:
        return Frames(after, after)
    ((oldest,),) = rows(connection, "SELECT oldest FROM chain")
    if after < Position.end_of(oldest - 1):
        raise BelowOldest(oldest)
    span = Span(key_of(*after), key_of(*end))
    found = candidates(
        connection, request.selection.query, span, looks=request.max_rows
    )
    until = span.until if found is None else found.until
    keys = None if found is None else found.keys
    part = _Part(connection, request.selection, Span(span.after, until), keys)
    with ExitStack() as cursors:
        return _page(request, part.units(cursors), until)


def read_frame_pages(
    connection: apsw.Connection,
    request: PageRequest[FeedSelection],
    *,
    take: Callable[[Frames], bool],
) -> None:
    """Give one page after the other to `take`, for as long as it wants more."""
    while take(page := read_frames(connection, request)):
        request = request.following(page)


def _page(
    request: PageRequest[FeedSelection], units: Iterable[_Unit], until: int
) -> Frames:
    frames: list[bytes] = []
    ends, keys = array("Q"), array("Q")
    size, looked, rows_left = 0, 0, request.max_rows
    last = request.after.key
    # The events of a transaction are several messages but one unit: there is one end for all.
    for unit in units:
        joined = b"".join(map(text_frame, unit.texts))
        if frames and size + len(joined) > request.max_bytes:
            until = last
            break
        if joined:
            size += len(joined)
            frames.append(joined)
            ends.append(size)
            keys.append(unit.key)
        last = unit.key
        looked += unit.looked
        rows_left -= 1
        if looked > LOOKED_BYTES or rows_left <= 0:
            until = last
            break
    end = Position.of_key(until)
    return Frames(request.after, end, b"".join(frames), ends, keys)
