"""Pages of the log as frames, for subscribers that are behind.

A page is the result of one read of the log: joined frames of what is selected, bounded in bytes
and in rows examined, and how far it looked, which is further each time even if nothing matches.
Short forms of transactions come from `log.joins`. Messages that are long, or rarely asked for, are
made here from rows, by the functions that make the live messages. `log.matches` finds the rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice, starmap
from typing import Final

import apsw

from trio_stream.abci.messages import Time
from trio_stream.log.joins import Joined, Joiner
from trio_stream.log.matches import RowSource, Span, stretch, wanted
from trio_stream.log.rows import EVENT, HEIGHT, REFUSAL, Row, newest_block, position_key
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.frames import Frames, text_frame
from trio_stream.stream.messages import block_text, event_text, refusal_text, time_text
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS, Position
from trio_stream.stream.selection import Form, Selection, Stream

_TIME: Final = "seconds, nanos"
_AND_BLOCK: Final = f"CROSS JOIN blocks ON height = {HEIGHT}"

# Messages made in Python hold the interpreter: for so many bytes of whole transactions, 4 ms.
_GATHERED_BYTES: Final = 128 * 1024

_Texts = Iterable[tuple[int, bytes]]
"""Messages, each with the key of its position."""


def read_frames(connection: apsw.Connection, request: PageRequest[Selection]) -> Frames:
    """The page that is asked for, up to the tip at most.

    Its end says how far the log was looked through.
    """
    after, selection = request.after, request.selection
    tip = newest_block(connection)
    end = min(request.until, Position.end_of(tip.height)) if tip else after
    if end <= after:
        return Frames(after, after)
    span = Span(position_key(*after), end.key)
    match selection.stream:
        case Stream.VALID_BLOCKS:
            return _blocks(connection, request, span)
        case Stream.REFUSED_TRANSACTIONS:
            return _refusals(connection, request, span)
    if selection.form is Form.FULL:
        return _whole_transactions(connection, request, span)
    return _transactions(connection, request, span)


def read_frame_pages(
    connection: apsw.Connection,
    request: PageRequest[Selection],
    *,
    take: Callable[[Frames], bool],
) -> None:
    """Give one page after the other to `take`, for as long as it wants more."""
    while take(page := read_frames(connection, request)):
        request = request.following(page)


def _transactions(
    connection: apsw.Connection, request: PageRequest[Selection], span: Span
) -> Frames:
    height = (span.after + 1) >> INDEX_BITS
    # The page ends where heights get one more digit.
    last = (10 ** len(str(height)) << INDEX_BITS) - 1
    span = Span(span.after, min(span.until, last))
    joiner = Joiner(request.selection.form, height)
    source = wanted(
        connection,
        request.selection,
        span,
        limit=max(1, request.max_bytes // joiner.frame_bytes),
        looks=request.max_rows,
        columns=joiner.columns,
    )
    return _page_of(request, source, joiner.join(connection, source))


def _whole_transactions(
    connection: apsw.Connection, request: PageRequest[Selection], span: Span
) -> Frames:
    looks = request.max_rows
    source = wanted(connection, request.selection, span, limit=looks, looks=looks)
    sql = (
        f"SELECT position, {_TIME}, raw, {EVENT} FROM {source.table}"
        f" CROSS JOIN bodies USING (position) {_AND_BLOCK}"
    )
    with closing(connection.execute(sql, source.bindings)) as found:
        texts = (
            (key, _whole_text(CommitEvent(*event), Time(seconds, nanos), raw))
            for key, seconds, nanos, raw, *event in found
        )
        return _page_of(request, source, *_gathered(texts, request.max_bytes))


def _whole_text(event: CommitEvent, time: Time, raw: bytes) -> bytes:
    return event_text(event, Form.FULL, time=time_text(time), raw=raw)


def _refusals(
    connection: apsw.Connection, request: PageRequest[Selection], span: Span
) -> Frames:
    form = request.selection.form
    source = stretch("refused", span, request.max_rows)
    sql = f"SELECT position, {_TIME}, {REFUSAL} FROM {source.table} {_AND_BLOCK}"
    with closing(connection.execute(sql, source.bindings)) as found:
        texts = (
            (
                key,
                refusal_text(
                    RefusalEvent(*of), form, time=time_text(Time(seconds, nanos))
                ),
            )
            for key, seconds, nanos, *of in found
        )
        return _page_of(request, source, *_gathered(texts, request.max_bytes))


def _blocks(
    connection: apsw.Connection, request: PageRequest[Selection], span: Span
) -> Frames:
    selection = request.selection
    # The message of a block stands at its end.
    first, last = (span.after + 1) >> INDEX_BITS, ((span.until + 1) >> INDEX_BITS) - 1
    chosen = _chosen_blocks(connection, first, last, request.max_rows)
    newest = chosen[-1][0] if chosen else last
    until = span.until if newest == last else _end_of(newest)
    sql = (
        f"SELECT {EVENT} FROM transactions WHERE position > ? AND position <= ?"
        " ORDER BY position"
    )
    stretch = _end_of(first - 1), _end_of(newest)
    with closing(connection.execute(sql, stretch)) as found:
        events = starmap(CommitEvent, found)
        blocks = (
            CommittedBlock(
                height, app_hash, tuple(islice(events, accepted)), (), Time(*time)
            )
            for height, app_hash, accepted, *time in chosen
        )
        texts = (
            (_end_of(block.height), block_text(block, selection.form))
            for block in blocks
            if block.events or selection.empty_blocks
        )
        return _page(request, *_gathered(texts, request.max_bytes), until)


def _chosen_blocks(
    connection: apsw.Connection, first: int, last: int, looks: int
) -> list[Row]:
    """The first blocks with at most so many rows in total, but at least one block."""
    sql = (
        f"SELECT height, app_hash, accepted, {_TIME} FROM blocks"
        " WHERE height BETWEEN ? AND ? ORDER BY height"
    )
    chosen: list[Row] = []
    looked = 0
    with closing(connection.execute(sql, (first, last))) as blocks:
        for block in blocks:
            more = 1 + block[2]
            if chosen and looked + more > looks:
                break
            looked += more
            chosen.append(block)
    return chosen


def _end_of(height: int) -> int:
    return height << INDEX_BITS | END_OF_BLOCK


def _gathered(texts: _Texts, max_bytes: int) -> tuple[Joined, bool]:
    """The first messages as frames, and whether there are more than fit on a page."""
    frames: list[bytes] = []
    ends, keys = array("Q"), array("Q")
    size, most = 0, min(max_bytes, _GATHERED_BYTES)
    for key, text in texts:
        frame = text_frame(text)
        size += len(frame)
        if frames and size > most:
            return Joined(b"".join(frames), ends, keys), True
        frames.append(frame)
        ends.append(size)
        keys.append(key)
    return Joined(b"".join(frames), ends, keys), False


def _page_of(
    request: PageRequest[Selection],
    source: RowSource,
    joined: Joined,
    cut: bool = False,
) -> Frames:
    cut = cut or len(joined.keys) == source.limit
    return _page(request, joined, cut, source.until)


def _page(
    request: PageRequest[Selection], joined: Joined, cut: bool, until: int
) -> Frames:
    end = joined.keys[-1] if cut else until
    return Frames(request.after, Position.of_key(end), *joined)
