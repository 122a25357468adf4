"""What all clients want together: each query once, and whether two want the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, NamedTuple, TypeVar

from trio_stream.cometbft.queries import Expression, conditions
from trio_stream.jsonrpc.subscriptions import Subscriptions

MOST_QUERIES: Final = 10_000
"""Different queries of all clients: each is asked of each block."""

MOST_CONDITIONS: Final = 16_384
"""In all of these: memory, and what making them ready takes, grow with the square of it."""

Profile = tuple[bytes, ...]


class _Standing(NamedTuple):
    """What of a client is counted."""

    queries: Sequence[Expression] = ()
    profile: Profile = ()


C = TypeVar("C")
"""A client."""


class Standings(Generic[C]):
    """Counts queries and profiles of the clients that are present."""

    def __init__(self) -> None:
        self._clients: dict[C, _Standing] = {}
        self._queries: Counter[Expression] = Counter()
        self._conditions = 0
        self._profiles: Counter[Profile] = Counter()
        self._same: dict[Expression, Expression] = {}
        self._all: Sequence[Expression] | None = None

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[C]:
        return iter(self._clients)

    @property
    def subscriptions(self) -> int:
        """How many there are of all clients."""
        return self._queries.total()

    @property
    def queries(self) -> Sequence[Expression]:
        """All different queries: the same object as long as they are the same."""
        if self._all is None:
            self._all = list(self._same)
        return self._all

    def has_room_for(self, query: Expression) -> bool:
        """May a client have this query too?"""
        return query in self._queries or (
            len(self._queries) < MOST_QUERIES
            and self._conditions + _size(query) <= MOST_CONDITIONS
        )

    def is_common(self, profile: Profile) -> bool:
        """Do two clients have it?"""
        return self._profiles[profile] > 1

    @contextmanager
    def present(self, client: C) -> Iterator[None]:
        """Count this client until the end of the block."""
        self._clients[client] = _Standing()
        try:
            yield
        finally:
            self._replace(client, _Standing())
            del self._clients[client]

    def changed(self, client: C, subscriptions: Subscriptions) -> None:
        """Count its subscriptions anew. Equal queries become one object."""
        for each in subscriptions:
            each.query = self._same.setdefault(each.query, each.query)
        queries = [each.query for each in subscriptions]
        self._replace(client, _Standing(queries, subscriptions.profile))

    def _replace(self, client: C, standing: _Standing) -> None:
        before = self._clients[client]
        self._clients[client] = standing
        come, gone = _recount(self._queries, before.queries, standing.queries)
        for query in gone:
            del self._same[query]
        if come or gone:
            self._all = None
        self._conditions += sum(map(_size, come)) - sum(map(_size, gone))
        _recount(self._profiles, [before.profile], [standing.profile])


def _size(query: Expression) -> int:
    return sum(1 for _ in conditions(query))


K = TypeVar("K")


def _recount(
    counter: Counter[K], before: Sequence[K], after: Sequence[K]
) -> tuple[Sequence[K], Sequence[K]]:
    """Count what is there after in place of what was before; returns what came, and what went."""
    come, gone = list[K](), list[K]()
    for each in after:
        counter[each] += 1
        if counter[each] == 1:
            come.append(each)
    for each in before:
        counter[each] -= 1
        if not counter[each]:
            del counter[each]
            gone.append(each)
    return come, gone
