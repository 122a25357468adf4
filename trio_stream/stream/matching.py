"""Which selections a run concerns, and which of its messages each of them gets.

Selections are found by key: each stands under the values of one of its filters, the one that
usually leaves the fewest transactions. So a transaction is compared only with selections that it
may concern, and a block that cannot match costs nothing. The other filters of a selection
are then checked one by one.

A filter by public key or a full message needs more than the events: `Contents`. Where they are
missing, the selections that need them come out as unknown, and their readers turn to the log.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from trio_stream.stream.filters import FILTERS, NO_CONTENTS, Contents
from trio_stream.stream.position import Position, key_of
from trio_stream.stream.runs import Run
from trio_stream.stream.selection import Form, Selection, Stream

_AT_ONCE: Final = 2_000
"""Comparisons between two rests: about a millisecond. Those of one transaction are not divided."""

Matched = dict[Selection, Sequence[int] | None]
"""For each selection the places of its messages in the run's rows; None: not known."""


class _Candidate:
    """A selection that is found by one of its filters, and the filters still to be checked."""

    __slots__ = ("looks_inside", "rest", "selection")

    def __init__(self, selection: Selection, name: str) -> None:
        self.selection = selection
        self.looks_inside = _is_full(selection) or _looks_inside(selection)
        self.rest = tuple(
            (other, values)
            for other, values in selection.filters.items()
            if other != name
        )


_Candidates = dict[Selection, _Candidate]


class SelectionIndex:
    """Selections by what they look for."""

    def __init__(self) -> None:
        self._everything: set[Selection] = set()
        # By a filter's name, then by value.
        self._filtered: dict[str, dict[str, _Candidates]] = {
            name: {} for name in FILTERS
        }
        # How many of them look inside, of those that are found without doing so.
        self._curious: dict[str, Counter[str]] = {
            name: Counter() for name, each in FILTERS.items() if not each.looks_inside
        }
        self._unfiltered: dict[Stream, set[Selection]] = {
            stream: set() for stream in Stream
        }
        # Added since the last `match` began.
        self._added: set[Selection] = set()

    def __bool__(self) -> bool:
        return bool(self._everything)

    def add(self, selection: Selection) -> None:
        self._everything.add(selection)
        self._added.add(selection)
        name = _found_by(selection)
        if name is None:
            self._unfiltered[selection.stream].add(selection)
            return
        candidate, table = _Candidate(selection, name), self._filtered[name]
        for value in selection.filters[name]:
            table.setdefault(value, {})[selection] = candidate
        if candidate.looks_inside and name in self._curious:
            self._curious[name].update(selection.filters[name])

    def discard(self, selection: Selection) -> None:
        self._everything.discard(selection)
        self._added.discard(selection)
        name = _found_by(selection)
        if name is None:
            self._unfiltered[selection.stream].discard(selection)
            return
        table = self._filtered[name]
        for value in selection.filters[name]:
            candidate = table[value].pop(selection)
            if not table[value]:
                del table[value]
            if candidate.looks_inside and name in self._curious:
                self._curious[name][value] -= 1
                if not self._curious[name][value]:
                    del self._curious[name][value]

    def wanted(self, run: Run) -> list[Position]:
        """The transactions whose contents `match` needs."""
        everything = any(map(_is_full, self._unfiltered[Stream.VALID_TRANSACTIONS]))
        for name, table in self._filtered.items():
            everything = everything or bool(table) and FILTERS[name].looks_inside
        curious = [
            (FILTERS[name].values, counts)
            for name, counts in self._curious.items()
            if counts
        ]
        if not everything and not curious:
            return []
        return [
            Position(event.height, event.index)
            for event in run.events
            if everything
            or any(
                value in counts
                for values_of, counts in curious
                for value in values_of(event, NO_CONTENTS)
            )
        ]

    def match(
        self, run: Run, contents: Mapping[int, Contents], found: Matched
    ) -> Iterator[None]:
        """Find the selections that the run concerns. `contents` are by a position's key.

        This yields whenever the caller may rest. Selections may be added and removed then;
        those that are added come out as unknown.
        """
        self._added.clear()
        known = [contents.get(key_of(each.height, each.index)) for each in run.events]
        for name, table in self._filtered.items():
            if table and run.events:
                yield from self._match_filter(name, run, known, found)
        if run.events:
            for selection in self._unfiltered[Stream.VALID_TRANSACTIONS]:
                whole = not _is_full(selection) or None not in known
                found[selection] = range(len(run.events)) if whole else None
        if run.refused:
            refusals = self._unfiltered[Stream.REFUSED_TRANSACTIONS]
            found.update(dict.fromkeys(refusals, range(len(run.refused))))
        for selection in self._unfiltered[Stream.VALID_BLOCKS]:
            ended = enumerate(run.blocks)
            some = [n for n, b in ended if b.events or selection.empty_blocks]
            if some:
                found[selection] = some
        found.update(dict.fromkeys(self._added, None))

    def _match_filter(
        self, name: str, run: Run, known: Sequence[Contents | None], found: Matched
    ) -> Iterator[None]:
        """Find those that stand under this filter."""
        table, values_of = self._filtered[name], FILTERS[name].values
        matched: dict[_Candidate, list[int]] = defaultdict(list)
        work = 0
        for number, (event, inside) in enumerate(zip(run.events, known, strict=True)):
            contents = inside or NO_CONTENTS
            some = [table[v] for v in values_of(event, contents) if v in table]
            if some:
                candidates = some[0] if len(some) == 1 else _joined(some)
                values: dict[str, Collection[str]] = {}
                for candidate in candidates.values():
                    if candidate.looks_inside and inside is None:
                        found[candidate.selection] = None
                        continue
                    for other, wanted in candidate.rest:
                        if other not in values:
                            values[other] = FILTERS[other].values(event, contents)
                        if wanted.isdisjoint(values[other]):
                            break
                    else:
                        matched[candidate].append(number)
                work += len(candidates)
            work += 1
            if work > _AT_ONCE:
                work = 0
                yield
        if FILTERS[name].looks_inside and None in known:
            for candidates in table.values():
                found.update(dict.fromkeys(candidates, None))
        for candidate, numbers in matched.items():
            found.setdefault(candidate.selection, numbers)


def _joined(some: Sequence[_Candidates]) -> _Candidates:
    """One candidate each, even for selections that have several of a transaction's values."""
    joined: _Candidates = {}
    for candidates in some:
        joined.update(candidates)
    return joined


def _found_by(selection: Selection) -> str | None:
    """The filter under which a selection stands, if it has any."""
    return next((name for name in FILTERS if name in selection.filters), None)


def _is_full(selection: Selection) -> bool:
    return selection.form is Form.FULL


def _looks_inside(selection: Selection) -> bool:
    return any(FILTERS[name].looks_inside for name in selection.filters)
