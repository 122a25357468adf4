"""Pages of the log as frames, for subscribers who are behind it.

A page is what one read of the log gives: joined frames of what a selection wants, bounded in bytes
and in rows that are looked at, and how far it looked, which is further on each time even where
nothing is wanted. Transactions in short forms come from `log_joins`; what is long, or rarely asked
for, is made here from rows, by the functions that make the live messages. Which rows is
`log_matches`' business.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice, starmap
from typing import Final, NamedTuple

import apsw

from trio_stream.abci.messages import Time
from trio_stream.log.joins import Joined, Joiner
from trio_stream.log.matches import RowSource, Span, stretch, wanted
from trio_stream.log.rows import EVENT, HEIGHT, REFUSAL, Row, newest_block, position_key
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.frames import text_frame
from trio_stream.stream.messages import block_text, event_text, refusal_text, time_text
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS, Position
from trio_stream.stream.selection import Form, Selection, Stream

_TIME: Final = "seconds, nanos"
_AND_BLOCK: Final = f"CROSS JOIN blocks ON height = {HEIGHT}"

# What is made in Python takes the interpreter: of whole transactions, so much is 4 ms of it.
_GATHERED_BYTES: Final = 128 * 1024

_Texts = Iterable[tuple[int, bytes]]
"""Messages and the position keys they stand for."""


class FramePage(NamedTuple):
    """Joined frames, and where their reader stands."""

    frames: bytes
    ends: Sequence[int]
    """For each frame, the offset of its end."""
    keys: Sequence[int]
    """For each frame, the key of the position that its reader has reached."""
    up_to: Position
    """Everything up to here was looked at, and what is wanted of it is on the page."""
    rows: int
    """How many rows were looked at."""


class Bounds(NamedTuple):
    """How much a page may be; one message at least, however long, if there is one."""

    max_bytes: int
    max_rows: int


def read_frames(
    connection: apsw.Connection,
    *,
    selection: Selection,
    after: Position,
    until: Position,
    bounds: Bounds,
) -> FramePage:
    """The next page of what is selected, after one position and up to another, or the tip."""
    tip = newest_block(connection)
    end = min(until, Position.end_of(tip.height)) if tip else after
    if end <= after:
        return FramePage(b"", array("Q"), array("Q"), after, 0)
    span = Span(position_key(*after), end.key)
    match selection.stream:
        case Stream.VALID_BLOCKS:
            return _blocks(connection, selection, span, bounds)
        case Stream.REFUSED_TRANSACTIONS:
            return _refusals(connection, selection.form, span, bounds)
    if selection.form is Form.FULL:
        return _whole_transactions(connection, selection, span, bounds)
    return _transactions(connection, selection, span, bounds)


def read_frame_pages(
    connection: apsw.Connection,
    *,
    selection: Selection,
    after: Position,
    until: Position,
    bounds: Bounds,
    take: Callable[[FramePage], bool],
) -> None:
    """One page after the other to `take`, for as long as it wants more."""
    read = partial(
        read_frames, connection, selection=selection, until=until, bounds=bounds
    )
    while take(page := read(after=after)):
        after = page.up_to


def _transactions(
    connection: apsw.Connection, selection: Selection, span: Span, bounds: Bounds
) -> FramePage:
    height = (span.after + 1) >> INDEX_BITS
    # The page ends where heights get one more digit.
    last = (10 ** len(str(height)) << INDEX_BITS) - 1
    span = Span(span.after, min(span.until, last))
    joiner = Joiner(selection.form, height)
    limit = max(1, bounds.max_bytes // joiner.frame_bytes)
    looks = bounds.max_rows
    source = wanted(
        connection, selection, span, limit=limit, looks=looks, columns=joiner.columns
    )
    return _page_of(source, joiner.join(connection, source))


def _whole_transactions(
    connection: apsw.Connection, selection: Selection, span: Span, bounds: Bounds
) -> FramePage:
    looks = bounds.max_rows
    source = wanted(connection, selection, span, limit=looks, looks=looks)
    sql = (
        f"SELECT position, {_TIME}, raw, {EVENT} FROM {source.table}"
        f" CROSS JOIN bodies USING (position) {_AND_BLOCK}"
    )
    with closing(connection.execute(sql, source.bindings)) as found:
        texts = (
            (key, _whole_text(CommitEvent(*event), Time(seconds, nanos), raw))
            for key, seconds, nanos, raw, *event in found
        )
        return _page_of(source, *_gathered(texts, bounds))


def _whole_text(event: CommitEvent, time: Time, raw: bytes) -> bytes:
    return event_text(event, Form.FULL, time=time_text(time), raw=raw)


def _refusals(
    connection: apsw.Connection, form: Form, span: Span, bounds: Bounds
) -> FramePage:
    source = stretch("refused", span, bounds.max_rows)
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
        return _page_of(source, *_gathered(texts, bounds))


def _blocks(
    connection: apsw.Connection, selection: Selection, span: Span, bounds: Bounds
) -> FramePage:
    # A block stands at its end.
    first, last = (span.after + 1) >> INDEX_BITS, ((span.until + 1) >> INDEX_BITS) - 1
    chosen, looked = _chosen_blocks(connection, first, last, bounds.max_rows)
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
        return _page(*_gathered(texts, bounds), until, looked)


def _chosen_blocks(
    connection: apsw.Connection, first: int, last: int, looks: int
) -> tuple[list[Row], int]:
    """The first blocks that have so many rows together, but at least one; how many these are."""
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
    return chosen, looked


def _end_of(height: int) -> int:
    return height << INDEX_BITS | END_OF_BLOCK


def _gathered(texts: _Texts, bounds: Bounds) -> tuple[Joined, bool]:
    """The first messages in frames, and whether there are more than a page holds."""
    frames: list[bytes] = []
    ends, keys = array("Q"), array("Q")
    size, most = 0, min(bounds.max_bytes, _GATHERED_BYTES)
    for key, text in texts:
        frame = text_frame(text)
        size += len(frame)
        if frames and size > most:
            return Joined(b"".join(frames), ends, keys), True
        frames.append(frame)
        ends.append(size)
        keys.append(key)
    return Joined(b"".join(frames), ends, keys), False


def _page_of(source: RowSource, joined: Joined, cut: bool = False) -> FramePage:
    count = len(joined.keys)
    looked = count if source.looked is None else source.looked
    return _page(joined, cut or count == source.limit, source.until, looked)


def _page(joined: Joined, cut: bool, until: int, looked: int) -> FramePage:
    end = joined.keys[-1] if cut else until
    return FramePage(*joined, Position.of_key(end), looked)
