"""Which of the selections that somebody waits with a run concerns, and its frames for them.

Selections are found by key: each stands under the values of one of its filters, the one
that promises fewest, so that a transaction is held against those alone that it may
concern, and a block that cannot match costs nothing. The rest of a filter is asked of
each that was found so. Texts are made once for all selections of a form.

What a filter by public key or a full message needs beyond the events are `Contents`.
Whoever has none of a transaction says nothing: its selections then come out as unknown,
and their readers turn to the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from trio_stream.stream.events import CommitEvent
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


class Contents(NamedTuple):
    """What a transaction's bytes say: all keys that it names, and the bytes."""

    public_keys: frozenset[str]
    raw: bytes


LONG_BYTES: Final = 32 * 1024
"""A transaction of this size takes some milliseconds to be written as JSON."""
LONG_ROWS: Final = 8 * 1024
"""A block of so many transactions takes some milliseconds to be named one by one."""

NONE = frozenset[str]()

Found = dict[Selection, Sequence[int] | None]
"""For each selection the places of its messages in the run's rows; None: not known."""

Table = dict[str, set[Selection]]


class SelectionIndex:
    """Selections by what they look for."""

    def __init__(self) -> None:
        self._by_asset: Table = defaultdict(set)
        self._by_key: Table = defaultdict(set)
        self._by_operation: Table = defaultdict(set)
        self._unfiltered: set[Selection] = set()
        self._blocks: set[Selection] = set()
        self._refusals: set[Selection] = set()
        self._everything: set[Selection] = set()

    def __bool__(self) -> bool:
        return bool(self._everything)

    def add(self, selection: Selection) -> None:
        self._everything.add(selection)
        table, values = self._place(selection)
        for value in values:
            table[value].add(selection)
        if not values:
            self._whole(selection).add(selection)

    def discard(self, selection: Selection) -> None:
        self._everything.discard(selection)
        table, values = self._place(selection)
        for value in values:
            table[value].discard(selection)
            if not table[value]:
                del table[value]
        if not values:
            self._whole(selection).discard(selection)

    def _place(self, selection: Selection) -> tuple[Table, frozenset[str]]:
        if selection.asset_ids:
            return self._by_asset, selection.asset_ids
        if selection.public_keys:
            return self._by_key, selection.public_keys
        return self._by_operation, selection.operations

    def _whole(self, selection: Selection) -> set[Selection]:
        match selection.stream:
            case Stream.VALID_BLOCKS:
                return self._blocks
            case Stream.REFUSED_TRANSACTIONS:
                return self._refusals
        return self._unfiltered

    def wanted(self, run: Run) -> list[Position]:
        """The transactions whose contents `match` has to know."""
        if not self._everything or not run.events:
            return []
        everything = bool(self._by_key) or any(map(_is_full, self._unfiltered))
        return [
            Position(event.height, event.index)
            for event in run.events
            if everything or any(map(_looks_inside, self._concerned(event)))
        ]

    def match(self, run: Run, contents: Mapping[int, Contents]) -> Found:
        """The selections that the run concerns. `contents` are by a position's key."""
        found: Found = {}
        if run.events and (self._by_asset or self._by_key or self._by_operation):
            self._match_filters(run.events, contents, found)
        if run.events:
            known = all(key_of(e.height, e.index) in contents for e in run.events)
            for selection in self._unfiltered:
                whole = known or not _is_full(selection)
                found[selection] = range(len(run.events)) if whole else None
        if run.refused:
            found.update(dict.fromkeys(self._refusals, range(len(run.refused))))
        for selection in self._blocks:
            ended = enumerate(run.blocks)
            some = [n for n, b in ended if b.events or selection.empty_blocks]
            if some:
                found[selection] = some
        return found

    def _match_filters(
        self,
        events: Iterable[CommitEvent],
        contents: Mapping[int, Contents],
        found: Found,
    ) -> None:
        matched: dict[Selection, list[int]] = defaultdict(list)
        all_known = True
        for number, event in enumerate(events):
            inside = contents.get(key_of(event.height, event.index))
            all_known &= inside is not None
            for selection in self._concerned(event, inside):
                if inside is None and _looks_inside(selection):
                    found[selection] = None
                    continue
                keys = NONE if inside is None else inside.public_keys
                if selection.matches(event.asset_id, event.operation, keys):
                    matched[selection].append(number)
        if not all_known:
            for same in self._by_key.values():
                found.update(dict.fromkeys(same, None))
        for selection, numbers in matched.items():
            found.setdefault(selection, numbers)

    def _concerned(
        self, event: CommitEvent, inside: Contents | None = None
    ) -> Iterable[Selection]:
        """Those that the event may concern, each once."""
        tables = [
            self._by_asset.get(event.asset_id),
            self._by_operation.get(event.operation),
        ]
        if inside is not None and self._by_key:
            tables += [self._by_key.get(key) for key in inside.public_keys]
        some = [table for table in tables if table]
        if len(some) == 1:
            return some[0]
        return set[Selection]().union(*some)


def _is_full(selection: Selection) -> bool:
    return selection.form is Form.FULL


def _shows_contents(selection: Selection) -> bool:
    return selection.stream is Stream.VALID_TRANSACTIONS and _is_full(selection)


def _looks_inside(selection: Selection) -> bool:
    return bool(selection.public_keys) or selection.form is Form.FULL


class Composer:
    """Makes the frames of one run for any selection."""

    def __init__(self, run: Run, contents: Mapping[int, Contents]) -> None:
        self._run = run
        self._contents = contents
        self._times: dict[int, str] = {}
        self._texts: dict[tuple[Form, int], bytes] = {}

    def is_long(self, selection: Selection, numbers: Iterable[int]) -> bool:
        """Whether one of these rows' messages takes so long that a thread had better make it."""
        run = self._run
        if selection.stream is Stream.VALID_BLOCKS:
            return any(len(run.blocks[n].events) > LONG_ROWS for n in numbers)
        if not _shows_contents(selection):
            return False
        events = map(run.events.__getitem__, numbers)
        places = (key_of(each.height, each.index) for each in events)
        return any(len(self._contents[key].raw) > LONG_BYTES for key in places)

    def prepare(self, selection: Selection, numbers: Iterable[int]) -> Iterator[None]:
        """Make of these rows' messages one at a time what takes long together."""
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
            case Stream.REFUSED_TRANSACTIONS:
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
