"""What a subscriber asks for: queries, and short names for the keys that are asked for most.

The keys are those of the Cosmos SDK and CosmWasm. Several queries are one with OR between them, and
so are several values of a short name; a short name narrows down what the queries found. Whether the
parts of a query have to hold in one event is the subscriber's choice; a short name holds anywhere,
since a sender is in another event than the recipient of the same transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trio_stream.cometbft.queries import (
    And,
    Condition,
    Expression,
    Generation,
    Kind,
    OneEvent,
    Operator,
    Or,
)

SHORTHANDS: Mapping[str, tuple[str, ...]] = {
    "sender": ("message.sender",),
    "recipient": ("transfer.recipient",),
    # What a contract does is under the name of what was asked of it; `wasm` holds its own events.
    "contract": tuple(
        f"{kind}._contract_address"
        for kind in ("execute", "wasm", "instantiate", "migrate", "sudo", "reply")
    ),
    "action": ("message.action",),
}
"""The keys that each stands for, any of which may have the value."""


def shorthand(name: str, value: str) -> Expression:
    """The query that `name=value` is short for."""
    equal = tuple(
        Condition(key, Operator.EQUAL, Kind.TEXT, value, Generation.FROM_0_38)
        for key in SHORTHANDS[name]
    )
    return _any(equal)


def asked_for(
    queries: Sequence[Expression],
    short: Mapping[str, Sequence[str]],
    *,
    one_event: bool,
) -> Expression:
    """The one query that a subscriber's queries and short names come to.

    With neither it is EVERYTHING. `one_event` is for `match=event`.
    """
    parts = []
    if queries:
        parts.append(
            _any([OneEvent(query) for query in queries] if one_event else queries)
        )
    for name, values in short.items():
        parts.append(_any([shorthand(name, value) for value in values]))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _any(queries: Sequence[Expression]) -> Expression:
    return queries[0] if len(queries) == 1 else Or(tuple(queries))
