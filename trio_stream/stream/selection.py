"""Which messages a subscriber wants, and in which form.

A selection is a value: equal ones share encoded bytes. `request` reads it from a query
string, `matching` finds the selections that a transaction concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

STREAMS_PATH: Final = "/api/v1/streams/"


class Stream(Enum):
    """What is streamed; the value is the last part of its path."""

    VALID_TRANSACTIONS = "valid_transactions"
    VALID_BLOCKS = "valid_blocks"
    REFUSED_TRANSACTIONS = "refused_transactions"


class Form(Enum):
    """How much a message says; the value is `detail`'s."""

    PLAIN = "plain"
    POSITION = "position"
    FULL = "full"


class Filters(Mapping[str, frozenset[str]]):
    """The values that are asked for, by the name of each filter that has any.

    A transaction has to meet all filters, each by one of the values. What there is to filter by
    is in `filters`. Equal ones have the same hash.
    """

    __slots__ = ("_values",)

    def __init__(self, **values: Iterable[str]) -> None:
        found = {name: frozenset(some) for name, some in values.items()}
        self._values = {name: some for name, some in found.items() if some}

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        values = (f"{name}={sorted(some)}" for name, some in self._values.items())
        return f"Filters({', '.join(values)})"


NO_FILTERS: Final = Filters()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of a stream, in which form."""

    stream: Stream = Stream.VALID_TRANSACTIONS
    form: Form = Form.PLAIN
    filters: Filters = NO_FILTERS
    empty_blocks: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Selections are looked up for each run, by thousands.
        of = self.stream, self.form, self.filters, self.empty_blocks
        object.__setattr__(self, "_hash", hash(of))

    def __hash__(self) -> int:
        return self._hash


PLAIN: Final = Selection()
"""What BigchainDB's event stream sends: every transaction, in its own words."""
