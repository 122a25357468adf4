"""What a block is once it is decided, and the chain it belongs to.

Plain values that pass from the state machine to the log, and BigchainDB's app hash. Whoever fills
them in (`staging`, `genesis`) answers for their contents; nothing is checked here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.transactions.model import Transaction

RULES: Final = 1
"""Version of the rules by which a block changes the state; a chain keeps the one it began with."""

MAX_TRANSACTIONS: Final = (1 << 26) - 1
"""More than a block of an engine can hold, which has at most 100 MiB, two bytes for each at least.

The log numbers as many, and keeps the index above them for the end of a block.
"""

MAX_HEIGHT: Final = 1 << 36
"""Two thousand years of a block a second; a genesis may ask for any height to begin with."""

REASON_LIMIT: Final = 300
"""Characters of a refusal's reason that are kept: texts may quote the transaction at length."""


class Validator(NamedTuple):
    """A member of the validator set, as the genesis file names it."""

    key_type: str
    key: bytes
    power: int


@dataclass(frozen=True, slots=True)
class Chain:
    """What InitChain fixes once and for all."""

    chain_id: str
    rules: int
    start_hash: str
    """The app hash before the first block: empty as BigchainDB's, or 64 hex digits."""
    initial_height: int
    genesis_time: Time
    validators: tuple[Validator, ...]


class Tip(NamedTuple):
    """The newest durable block."""

    height: int
    app_hash: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A transaction that the block commits; `index` counts the refused ones before it too."""

    index: int
    sha256: bytes
    raw: bytes
    transaction: Transaction


@dataclass(frozen=True, slots=True)
class RefusedTransaction:
    """A transaction that the engine's block holds and the state does not."""

    index: int
    sha256: bytes
    transaction_id: str | None
    """The id it claims, if that can be read and looks like one."""
    error: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block, ready to be made durable."""

    height: int
    time: Time
    app_hash: str
    accepted: Sequence[Accepted]
    refused: Sequence[RefusedTransaction]


def next_app_hash(previous: str, ids: Sequence[str]) -> str:
    """BigchainDB's app hash after a block that accepted these ids, in order."""
    if not ids:
        return previous
    block = hashlib.sha3_256("".join(ids).encode("ascii")).hexdigest()
    return hashlib.sha3_256((previous + block).encode("ascii")).hexdigest()
