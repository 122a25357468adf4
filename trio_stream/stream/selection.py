"""What of the log a subscriber wants, and in which form.

A selection is a value: equal ones share encoded bytes. `request` reads it from a query
string, `matching` finds the selections that a transaction concerns.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import Enum
from typing import Final

STREAMS_PATH: Final = "/api/v1/streams/"


class Stream(Enum):
    """What is streamed; the value ends the path that it is served at."""

    VALID_TRANSACTIONS = "valid_transactions"
    VALID_BLOCKS = "valid_blocks"
    REFUSED_TRANSACTIONS = "refused_transactions"


class Form(Enum):
    """How much a message says; the value is `detail`'s."""

    PLAIN = "plain"
    POSITION = "position"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages of a stream, in which form.

    A filter without values sets no condition. A transaction has to meet all filters, each
    by one of its values.
    """

    stream: Stream = Stream.VALID_TRANSACTIONS
    form: Form = Form.PLAIN
    asset_ids: frozenset[str] = frozenset()
    public_keys: frozenset[str] = frozenset()
    operations: frozenset[str] = frozenset()
    empty_blocks: bool = False

    @property
    def filtered(self) -> bool:
        """Does it leave transactions out?"""
        return bool(self.asset_ids or self.public_keys or self.operations)

    def matches(self, asset_id: str, operation: str, public_keys: Set[str]) -> bool:
        """Is this transaction wanted?"""
        if self.asset_ids and asset_id not in self.asset_ids:
            return False
        if self.operations and operation not in self.operations:
            return False
        return not self.public_keys or not self.public_keys.isdisjoint(public_keys)


PLAIN: Final = Selection()
"""What BigchainDB's event stream gives: each transaction, in its own words."""
