"""The query language of the engine's `subscribe`, as a tree.

CometBFT joins conditions with AND: `tm.event = 'Tx' AND transfer.amount > 5`. Here they may also
be joined with OR, negated with NOT, and put in parentheses, and `IN` takes a list. A condition
holds if *some* value under its key does, wherever in the item that value stands: so it is in the
engine, in all releases. `OneEvent` asks for all of its parts in one and the same event.

What a condition means changed once, with the parser that 0.38 brought; `comparisons` has the rules.
A query of a stream means what it means from 0.38 on; one that is handed on for the engine's own
`subscribe` means what it means to the node that is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum


class Generation(Enum):
    """Whose rules a query follows."""

    UP_TO_0_37 = "0.37"
    FROM_0_38 = "0.38"


class Operator(Enum):
    """What a condition asks of a value."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    CONTAINS = "CONTAINS"
    EXISTS = "EXISTS"


class Kind(Enum):
    """What an operand is."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "TIME"
    DATE = "DATE"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: `key operator operand`."""

    key: str
    operator: Operator
    kind: Kind
    operand: str
    """As written, without quotes; empty for EXISTS."""
    generation: Generation
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _keep_hash(self, self.key, self.operator, self.kind, self.operand)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class And:
    """All of its parts hold; without parts, it always does."""

    parts: tuple[Expression, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _keep_hash(self, "And", self.parts)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Or:
    """One of its parts holds."""

    parts: tuple[Expression, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _keep_hash(self, "Or", self.parts)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class Not:
    """Its part doesn't hold."""

    part: Expression
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _keep_hash(self, "Not", self.part)

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class OneEvent:
    """Its part holds of one event by itself, together with what is implied of the whole item."""

    part: Expression
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _keep_hash(self, "OneEvent", self.part)

    def __hash__(self) -> int:
        return self._hash


Expression = Condition | And | Or | Not | OneEvent


def _keep_hash(expression: Expression, *of: object) -> None:
    # Queries are large, and looked up wherever they are counted.
    object.__setattr__(expression, "_hash", hash(of))


EVERYTHING = And(())


def conditions(expression: Expression) -> Iterator[Condition]:
    """All conditions in it, in order."""
    match expression:
        case Condition():
            yield expression
        case And(parts) | Or(parts):
            for part in parts:
                yield from conditions(part)
        case _:
            yield from conditions(expression.part)
