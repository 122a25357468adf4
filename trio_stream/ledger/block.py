"""What a block is once it is decided, and the chain it belongs to.

Plain values that pass from the state machine to the log, and BigchainDB's app hash. The log reads
no transaction: what it keeps of one is here. Whoever fills these values in (`staging`, `genesis`)
answers for their contents; nothing is checked here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.transactions.elections import Validator

RULES: Final = 1
"""Version of the rules by which a block changes the state; a chain keeps the one it began with."""

MAX_TRANSACTIONS: Final = (1 << 26) - 1
"""More than a block of the engine can hold: it has at most 100 MiB, and at least two bytes each.

The log has numbers for as many; the next index stands for the end of a block.
"""

MAX_HEIGHT: Final = 1 << 36
"""Two thousand years of one block per second; a genesis file may ask for any initial height."""

REASON_LIMIT: Final = 300
"""Characters of a refusal's reason that are stored: texts may quote the transaction at length."""


class Continued(NamedTuple):
    """The end of an earlier chain, with whose log another one goes on."""

    height: int
    app_hash: str
    digest: str
    """That of the log up to this height: 64 hex digits."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What InitChain decides for good."""

    chain_id: str
    rules: int
    start_hash: str
    """The app hash before the first block: empty as BigchainDB's, or 64 hex digits."""
    initial_height: int
    genesis_time: Time
    validators: tuple[Validator, ...]
    continues: Continued | None = None


class Tip(NamedTuple):
    """The newest durable block."""

    height: int
    app_hash: str


class AcceptedTransaction(NamedTuple):
    """A transaction that the block commits, as the rows that the log keeps of it."""

    index: int  # type: ignore[assignment]  # in place of tuple.index
    """Its place in the engine's block, in which refused ones count too."""
    sha256: bytes
    raw: bytes
    id: str
    asset_id: str
    operation: str
    outputs: Sequence[tuple[int, str | None]]
    """For each, the amount and what a spender must satisfy; None: nobody can."""
    spends: Sequence[tuple[str, int]]
    """For each output that it spends, the id of its transaction and its index there."""
    keys: Sequence[tuple[str, int, int]]
    """Public keys to find it by, each with an output's index and how it stands there.

    The numbers are those of `transactions.owners`, and of the log's table `keys`.
    """
    text: tuple[str | None, str | None]
    """The words of its asset and of its metadata, for text search; None if there are none."""


@dataclass(frozen=True, slots=True)
class RefusedTransaction:
    """A transaction that the engine's block holds and that was refused."""

    index: int
    sha256: bytes
    transaction_id: str | None
    """The id that it claims, if that can be read and has the form of one."""
    error: str
    reason: str


class Tally(NamedTuple):
    """What has been counted for an election by the end of a block that held votes of it."""

    election_id: str
    votes: int
    concluded: bool
    """Whether this block's votes decided it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block, ready to be made durable."""

    height: int
    time: Time
    app_hash: str
    accepted: Sequence[AcceptedTransaction]
    refused: Sequence[RefusedTransaction]
    tallies: Sequence[Tally] = ()
    validators: Sequence[Validator] | None = None
    """The set that is in force from the next height on, if the block has decided on a new one."""
    updates: Sequence[Validator] = ()
    """What the engine is told of that."""


def next_app_hash(previous: str, ids: Sequence[str]) -> str:
    """BigchainDB's app hash after a block that accepted these ids, in order."""
    if not ids:
        return previous
    block = hashlib.sha3_256("".join(ids).encode("ascii")).hexdigest()
    return hashlib.sha3_256((previous + block).encode("ascii")).hexdigest()
