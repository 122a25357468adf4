"""The frames of a run for any selection.

Texts are made once for all selections that get the same. All messages of one row are one unit, as
in pages of the log.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from trio_stream.feeds.matching import Chosen
from trio_stream.feeds.messages import (
    block_event_texts,
    block_text,
    gap_text,
    transaction_event_texts,
    transaction_text,
)
from trio_stream.feeds.runs import FeedRun, GapRow, TxRow
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.stream.frames import Frames, text_frame

LONG_EVENTS: Final = 1_000
"""A row with so many takes some milliseconds to be written as JSON."""
LONG_BYTES: Final = 1024 * 1024
"""So does a transaction whose bytes, in base64, are so many."""


class FeedComposer:
    """Makes the frames of one run for any selection."""

    def __init__(self, run: FeedRun) -> None:
        self._run = run
        self._units: dict[tuple[object, ...], bytes] = {}

    def is_long(self, selection: FeedSelection, chosen: Iterable[Chosen]) -> bool:
        """Whether one of these rows' messages takes so long that a thread should make it."""
        rows = [self._run.rows[each.row] for each in chosen]
        return any(
            row.size > LONG_EVENTS
            or isinstance(row, TxRow)
            and len(row.tx) > LONG_BYTES
            for row in rows
        )

    def prepare(
        self, selection: FeedSelection, chosen: Iterable[Chosen]
    ) -> Iterator[None]:
        """Make these rows' messages one at a time, so that others have a turn in between."""
        for each in chosen:
            self._unit(selection, each)
            yield

    def frames(self, selection: FeedSelection, chosen: Sequence[Chosen]) -> Frames:
        """The frames of these rows of the selection's feed."""
        data: list[bytes] = []
        ends, keys = array("Q"), array("Q")
        size = 0
        for each in chosen:
            unit = self._unit(selection, each)
            size += len(unit)
            data.append(unit)
            ends.append(size)
            keys.append(self._run.rows[each.row].key)
        return Frames(self._run.start, self._run.end, b"".join(data), ends, keys)

    def _unit(self, selection: FeedSelection, chosen: Chosen) -> bytes:
        of = selection.feed, selection.form, chosen.row, tuple(chosen.events)
        unit = self._units.get(of)
        if unit is None:
            texts = self._texts(selection, chosen)
            unit = self._units[of] = b"".join(map(text_frame, texts))
        return unit

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
