"""The cost of judging a transaction, estimated in advance.

A megabyte can hold thousands of signatures, and a prefix makes each of them cover hundreds of
kilobytes: seconds of a processor for what is sent in milliseconds. Until such a transaction is in a
block nobody has to judge it, and everybody asks here first.

The estimate is in microseconds of one core, measured on a common server, and the same on every
machine.
"""

from __future__ import annotations

from typing import Final

from trio_stream.transactions.errors import TooCostly
from trio_stream.transactions.fulfillments import (
    Ed25519,
    Fulfillment,
    Prefix,
    Rsa,
    Threshold,
)
from trio_stream.transactions.model import Transaction

BUDGET: Final = 150_000
"""Microseconds. The largest transfer that the engine's RPC takes, if it is nothing but inputs that
are signed by one key each, has 2,200 of them and takes 132,000."""
CHEAP_BYTES: Final = 8 * 1024
"""No transaction of this size is expensive: it takes 8,000 microseconds at most."""

_ED25519: Final = 60.0
_ED25519_BYTE: Final = 0.004
# A modulus of 16,384 bits takes 7,000; the time grows with the square of its bits.
_RSA_SQUARE_BIT: Final = 1 / 38_000
_RSA_BYTE: Final = 0.001
_COPIED_BYTE: Final = 0.000_1
_NODE: Final = 2.0


def judging_cost(transaction: Transaction | None) -> int:
    """About how many microseconds its signatures take; 0 if it is small or None."""
    if transaction is None or len(transaction.raw) <= CHEAP_BYTES:
        return 0
    return int(
        sum(_cost(each.fulfillment, len(each.message)) for each in transaction.inputs)
    )


def check_cost(transaction: Transaction | None) -> None:
    """Raise TooCostly if judging it would take longer than `BUDGET`."""
    cost = judging_cost(transaction)
    if cost > BUDGET:
        raise TooCostly(
            f"verifying it would take about {cost / 1000:.0f} ms, and {BUDGET // 1000} ms are"
            " allowed: use fewer signatures, or shorter prefixes before them"
        )


def _cost(fulfillment: Fulfillment, length: int) -> float:
    """The cost for a message of this length."""
    if isinstance(fulfillment, Ed25519):
        return _ED25519 + length * _ED25519_BYTE
    if isinstance(fulfillment, Rsa):
        bits = 8 * len(fulfillment.modulus)
        return bits * bits * _RSA_SQUARE_BIT + length * _RSA_BYTE
    if isinstance(fulfillment, Prefix):
        length += len(fulfillment.prefix)
        return _NODE + length * _COPIED_BYTE + _cost(fulfillment.part, length)
    if isinstance(fulfillment, Threshold):
        return _NODE + sum([_cost(part, length) for part in fulfillment.parts])
    return _NODE
