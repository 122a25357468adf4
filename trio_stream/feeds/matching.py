"""Which selections a run concerns, and which of its messages each of them gets.

All queries are asked of a run at once (`cometbft.query_index`), in steps, so that others have a
turn in between. Selections with one query and different forms are one question. Everybody is told
of a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from trio_stream.cometbft.events import Event
from trio_stream.cometbft.items import BLOCK_IMPLIED, Item, tx_implied
from trio_stream.cometbft.queries import Expression, conditions
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.feeds.runs import BlockRow, FeedRun, GapRow, Row, TxRow
from trio_stream.feeds.selection import Feed, FeedSelection

_AT_ONCE: Final = 5_000
"""Places of messages that are noted between two rests: about a millisecond."""


class Chosen(NamedTuple):
    """Some of the messages of a row of a run."""

    row: int
    events: Sequence[int] = ()
    """The numbers of the events, for a selection of events."""


MOST_CONDITIONS: Final = 16_384
"""Of all selections: 32 subscribers with all that one may ask, or thousands with a few. The memory
that they take grows with the square of it, to some 20 MB."""

Matched = dict[FeedSelection, list[Chosen] | None]
"""What each selection gets of a run, in order; None: not known, so its readers turn to the log."""


class _Asked:
    """The selections of one feed."""

    def __init__(self) -> None:
        self.queries = QueryIndex()
        self.by_query: dict[Expression, dict[FeedSelection, None]] = {}

    def add(self, selection: FeedSelection) -> None:
        same = self.by_query.setdefault(selection.query, {})
        if not same:
            self.queries.add(selection.query)
        same[selection] = None

    def discard(self, selection: FeedSelection) -> None:
        same = self.by_query[selection.query]
        del same[selection]
        if not same:
            del self.by_query[selection.query]
            self.queries.discard(selection.query)


class FeedIndex:
    """Selections by what they look for, as long as they have few conditions altogether.

    Those that come when there are too many are not matched: their readers turn to the log, which
    costs them, and nobody else.
    """

    def __init__(self, *, most: int = MOST_CONDITIONS) -> None:
        self._left = most
        self._unmatched: set[FeedSelection] = set()
        self._asked = {feed: _Asked() for feed in Feed}
        self._selections: set[FeedSelection] = set()
        # While a run is matched, the questions stay as they are.
        self._is_matching = False
        self._later: deque[Callable[[], None]] = deque()
        self._added: set[FeedSelection] = set()

    def __bool__(self) -> bool:
        return bool(self._selections)

    def add(self, selection: FeedSelection) -> None:
        self._selections.add(selection)
        if (count := _size(selection)) > self._left:
            self._unmatched.add(selection)
            return
        self._left -= count
        self._added.add(selection)
        self._do(lambda: self._asked[selection.feed].add(selection))

    def discard(self, selection: FeedSelection) -> None:
        self._selections.discard(selection)
        if selection in self._unmatched:
            self._unmatched.discard(selection)
            return
        self._left += _size(selection)
        self._added.discard(selection)
        self._do(lambda: self._asked[selection.feed].discard(selection))

    def match(self, run: FeedRun, found: Matched) -> Iterator[None]:
        """Find what each selection gets of the run.

        This yields whenever the caller may rest. Selections may be added and removed then;
        those that are added come out as unknown. It must be taken to its end, or closed.
        """
        self._added.clear()
        self._is_matching = True
        try:
            for feed, asked in self._asked.items():
                if asked.by_query:
                    yield from _match(asked, feed, run.rows, found)
            # What has come so far; each may be some hundred conditions.
            for _ in range(len(self._later)):
                self._later.popleft()()
                yield
        finally:
            self._is_matching = False
            for each in self._later:
                each()
            self._later.clear()
        found.update(dict.fromkeys(self._added, None))
        found.update(dict.fromkeys(self._unmatched, None))

    def _do(self, change: Callable[[], None]) -> None:
        if self._is_matching:
            self._later.append(change)
        else:
            change()


def _size(selection: FeedSelection) -> int:
    return sum(1 for _ in conditions(selection.query))


def _match(
    asked: _Asked, feed: Feed, rows: Sequence[Row], found: Matched
) -> Iterator[None]:
    told = [Chosen(number) for number, row in enumerate(rows) if type(row) is GapRow]
    places, items = _ITEMS[feed](rows)
    answered = iter(places)
    # By identity: to hash a query takes longer than to match it.
    held: dict[int, tuple[Expression, list[tuple[int, int]]]] = {}
    for step in asked.queries.steps(items):
        for queries in step:
            place = next(answered)
            for query in queries:
                at = held.get(id(query))
                if at is None:
                    at = held[id(query)] = query, []
                at[1].append(place)
        yield
    chosen = _events_chosen if feed is Feed.EVENTS else _rows_chosen
    work = 0
    for query, at_places in held.values():
        work += len(at_places)
        if work > _AT_ONCE:
            yield
            work = 0
        some = chosen(at_places)
        if told:
            some = sorted(some + told)
        for selection in asked.by_query[query]:
            found[selection] = some
    if told:
        for same in asked.by_query.values():
            for selection in same:
                found.setdefault(selection, told)


def _rows_chosen(places: Sequence[tuple[int, int]]) -> list[Chosen]:
    return [Chosen(row) for row, _ in places]


def _events_chosen(places: Sequence[tuple[int, int]]) -> list[Chosen]:
    return [
        Chosen(row, [event for _, event in some])
        for row, some in groupby(places, key=itemgetter(0))
    ]


_Places = tuple[Iterable[tuple[int, int]], Iterable[Item]]
"""Row and event that each item stands for, and the items."""


def _transactions(rows: Sequence[Row]) -> _Places:
    some = [(n, row) for n, row in enumerate(rows) if isinstance(row, TxRow)]
    items = (
        Item(row.result.events, tx_implied(row.head.hash, row.head.block.height))
        for _, row in some
    )
    return [(number, 0) for number, _ in some], items


def _blocks(rows: Sequence[Row]) -> _Places:
    some = [(n, row) for n, row in enumerate(rows) if isinstance(row, BlockRow)]
    items = (
        Item(tuple(event for _, event in row.phased), BLOCK_IMPLIED) for _, row in some
    )
    return [(number, 0) for number, _ in some], items


def _events(rows: Sequence[Row]) -> _Places:
    # Made as they are asked for: a single row may have very many.
    places: deque[tuple[int, int]] = deque()

    def items() -> Iterator[Item]:
        for number, row in enumerate(rows):
            if isinstance(row, GapRow):
                continue
            if isinstance(row, TxRow):
                events: Iterable[Event] = row.result.events
                implied = tx_implied(row.head.hash, row.head.block.height)
            else:
                events, implied = (each for _, each in row.phased), BLOCK_IMPLIED
            for event_number, event in enumerate(events):
                places.append((number, event_number))
                yield Item((event,), implied)

    return iter(places.popleft, None), items()


_ITEMS: Final[dict[Feed, Callable[[Sequence[Row]], _Places]]] = {
    Feed.TRANSACTIONS: _transactions,
    Feed.BLOCKS: _blocks,
    Feed.EVENTS: _events,
}
