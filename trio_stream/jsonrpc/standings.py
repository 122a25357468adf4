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
        self._same: dict[Expression, Expression] = {}
        """All different queries: of those that are equal, the first."""
        self._uses: Counter[int] = Counter()
        # By the identity of these: a query takes microseconds to hash, and a client may have many.
        self._all: Sequence[Expression] | None = None
        self._conditions = 0
        self._profiles: Counter[Profile] = Counter()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[C]:
        return iter(self._clients)

    @property
    def subscriptions(self) -> int:
        """How many there are of all clients."""
        return self._uses.total()

    @property
    def queries(self) -> Sequence[Expression]:
        """All different queries: the same object as long as they are the same."""
        if self._all is None:
            self._all = list(self._same)
        return self._all

    def has_room_for(self, query: Expression) -> bool:
        """May a client have this query too?"""
        return query in self._same or (
            len(self._same) < MOST_QUERIES
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
            if id(each.query) not in self._uses:
                each.query = self._known(each.query)
        queries = [each.query for each in subscriptions]
        self._replace(client, _Standing(queries, subscriptions.profile))

    def _known(self, query: Expression) -> Expression:
        known = self._same.get(query)
        if known is None:
            known = self._same[query] = query
            self._conditions += _size(query)
            self._all = None
        return known

    def _replace(self, client: C, standing: _Standing) -> None:
        before = self._clients[client]
        self._clients[client] = standing
        self._uses.update(map(id, standing.queries))
        for query in before.queries:
            self._uses[id(query)] -= 1
            if not self._uses[id(query)]:
                del self._uses[id(query)], self._same[query]
                self._conditions -= _size(query)
                self._all = None
        self._profiles[standing.profile] += 1
        self._profiles[before.profile] -= 1
        if not self._profiles[before.profile]:
            del self._profiles[before.profile]


def _size(query: Expression) -> int:
    return sum(1 for _ in conditions(query))
