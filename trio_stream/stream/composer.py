"""The frames of a run for any selection.

Texts are made once for all selections of a form. The caller can make those that take long one by
one, and ask beforehand whether a single one takes so long that a thread should make it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from trio_stream.stream.events import CommitEvent
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import Frames, frame_texts
from trio_stream.stream.messages import (
    block_text,
    event_text,
    refusal_text,
    time_text,
)
from trio_stream.stream.position import Position, key_of
from trio_stream.stream.runs import Run
from trio_stream.stream.selection import Form, Selection, Stream

_LONG_BYTES: Final = 32 * 1024
"""A transaction of this size takes some milliseconds to be written as JSON."""
_LONG_ROWS: Final = 8 * 1024
"""Listing the ids of a block of so many transactions takes some milliseconds."""


def _shows_contents(selection: Selection) -> bool:
    return selection.stream is Stream.VALID_TRANSACTIONS and selection.form is Form.FULL


class Composer:
    """Makes the frames of one run for any selection."""

    def __init__(self, run: Run, contents: Mapping[int, Contents]) -> None:
        self._run = run
        self._contents = contents
        self._times: dict[int, str] = {}
        self._texts: dict[tuple[Form, int], bytes] = {}

    def is_long(self, selection: Selection, numbers: Iterable[int]) -> bool:
        """Whether one of these rows' messages takes so long that a thread should make it."""
        run = self._run
        if selection.stream is Stream.VALID_BLOCKS:
            return any(len(run.blocks[n].events) > _LONG_ROWS for n in numbers)
        if not _shows_contents(selection):
            return False
        events = map(run.events.__getitem__, numbers)
        places = (key_of(each.height, each.index) for each in events)
        return any(len(self._contents[key].raw) > _LONG_BYTES for key in places)

    def prepare(self, selection: Selection, numbers: Iterable[int]) -> Iterator[None]:
        """Make these rows' messages one at a time, if all together would take long."""
        if _shows_contents(selection):
            for number in numbers:
                self._event_text(selection.form, number, self._run.events[number])
                yield

    def frames(self, selection: Selection, numbers: Sequence[int]) -> Frames:
        """The frames of these rows of the selection's stream."""
        texts = self._texts_of(selection, numbers)
        return frame_texts(texts, start=self._run.start, end=self._run.end)

    def _texts_of(
        self, selection: Selection, numbers: Sequence[int]
    ) -> Iterator[tuple[int, bytes]]:
        form, run = selection.form, self._run
        match selection.stream:
            case Stream.VALID_TRANSACTIONS:
                for number in numbers:
                    event = run.events[number]
                    key = key_of(event.height, event.index)
                    yield key, self._event_text(form, number, event)
            case Stream.VALID_BLOCKS:
                for number in numbers:
                    block = run.blocks[number]
                    key = Position.end_of(block.height).key
                    yield key, block_text(block, form)
            case _:  # refused transactions
                for number in numbers:
                    refusal = run.refused[number]
                    time = self._time_of(refusal.height)
                    key = key_of(refusal.height, refusal.index)
                    yield key, refusal_text(refusal, form, time=time)

    def _event_text(self, form: Form, number: int, event: CommitEvent) -> bytes:
        text = self._texts.get((form, number))
        if text is None:
            raw, time = b"", ""
            if form is not Form.PLAIN:
                time = self._time_of(event.height)
            if form is Form.FULL:
                raw = self._contents[key_of(event.height, event.index)].raw
            text = event_text(event, form, time=time, raw=raw)
            self._texts[form, number] = text
        return text

    def _time_of(self, height: int) -> str:
        if height not in self._times:
            self._times[height] = time_text(self._run.times[height])
        return self._times[height]
