"""The frames of a run for any selection.

Texts are made once for all selections that get the same. All messages of one row are one unit, as
in pages of the log.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from trio_stream.feeds.matching import Chosen
from trio_stream.feeds.messages import (
    block_event_texts,
    block_text,
    gap_text,
    transaction_event_texts,
    transaction_text,
)
from trio_stream.feeds.runs import FeedRun, GapRow, Row, TxRow
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.stream.frames import Frames, text_frame
from trio_stream.stream.selection import Form

LONG_EVENTS: Final = 1_000
"""A row with so many takes some milliseconds to be written as JSON."""
LONG_ATTRIBUTES: Final = 2_000
"""So does one with so many attributes."""
LONG_TEXT: Final = 256 * 1024
"""So does one whose values have so many characters."""
LONG_BYTES: Final = 1024 * 1024
"""So does a transaction whose bytes, in base64, are so many."""


_Key = int | tuple[int, ...]
"""A row, or a row and the numbers of its events: what has one text in a form of a feed."""


class FeedComposer:
    """Makes the frames of one run for any selection."""

    def __init__(self, run: FeedRun) -> None:
        self._run = run
        self._keys = [row.key for row in run.rows]
        self._long = {n for n, row in enumerate(run.rows) if _is_long(row)}
        self._units: dict[tuple[Feed, Form], dict[_Key, bytes]] = {}

    def is_long(self, selection: FeedSelection, chosen: Iterable[Chosen]) -> bool:
        """Whether one of these rows' messages takes so long that a thread should make it."""
        return bool(self._long) and any(each.row in self._long for each in chosen)

    def prepare(
        self, selection: FeedSelection, chosen: Iterable[Chosen]
    ) -> Iterator[None]:
        """Make these rows' messages one at a time, so that others have a turn in between."""
        units = self._units.setdefault((selection.feed, selection.form), {})
        for each in chosen:
            key = _key(each) if each.events else each.row
            if key not in units:
                units[key] = b"".join(map(text_frame, self._texts(selection, each)))
                yield

    def frames(self, selection: FeedSelection, chosen: Sequence[Chosen]) -> Frames:
        """The frames of these rows of the selection's feed."""
        units = self._units.get((selection.feed, selection.form), {})
        try:
            data = [units[_key(each) if each.events else each.row] for each in chosen]
        except KeyError:
            # They were not prepared.
            for _ in self.prepare(selection, chosen):
                pass
            return self.frames(selection, chosen)
        ends = array("Q", accumulate(map(len, data)))
        keys = array("Q", [self._keys[each.row] for each in chosen])
        return Frames(self._run.start, self._run.end, b"".join(data), ends, keys)

    def _texts(self, selection: FeedSelection, chosen: Chosen) -> list[bytes]:
        row, form = self._run.rows[chosen.row], selection.form
        if isinstance(row, GapRow):
            return [gap_text(row.gap)]
        if isinstance(row, TxRow):
            if selection.feed is Feed.EVENTS:
                events = row.result.events
                return transaction_event_texts(row.head, events, form, chosen.events)
            return [transaction_text(row.head, row.tx, row.result, form)]
        if selection.feed is Feed.EVENTS:
            return block_event_texts(row.head, row.phased, form, chosen.events)
        return [block_text(row.head, row.phased, form)]


def _key(chosen: Chosen) -> tuple[int, ...]:
    return (chosen.row, *chosen.events)


def _is_long(row: Row) -> bool:
    if isinstance(row, GapRow):
        return False
    if row.size > LONG_EVENTS:
        return True
    if isinstance(row, TxRow):
        if len(row.tx) > LONG_BYTES:
            return True
        events = row.result.events
    else:
        events = tuple(event for _, event in row.phased)
    count = sum(len(each.attributes) for each in events)
    if count > LONG_ATTRIBUTES:
        return True
    # One that has few may have long ones.
    texts = (len(value) for _, each in events for _, value, _ in each)
    return sum(texts) > LONG_TEXT
