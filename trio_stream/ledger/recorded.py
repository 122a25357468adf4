"""A block that was committed elsewhere, and what it is here once it has been judged again.

An import has the word of a file for what a block held and for the app hash after it. Each
transaction is judged by all rules against the blocks before it, and all that follows from it is
worked out again. Only what nobody can judge is taken over: times, and transactions that were
refused, whose bytes nobody has kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import (
    MAX_TRANSACTIONS,
    Block,
    Chain,
    RefusedTransaction,
)
from trio_stream.ledger.staging import StagedBlock, State
from trio_stream.transactions.candidate import Candidate


class RecordedBlock(NamedTuple):
    """What a file says of a block."""

    height: int
    time: Time
    app_hash: str
    transactions: Sequence[bytes | RefusedTransaction]
    """In the engine's order, so that each one's place is its index."""
    begins: Chain | None = None
    """The chain that continues the one before, from this block on; without validators."""


class NotAsRecorded(Exception):
    """The record of a block contradicts itself, or what is before it; the text says how."""


class _Trusted(Candidate):
    """A transaction whose signatures are taken for valid."""

    __slots__ = ()

    def is_fulfilled(self, index: int) -> bool:
        return True


def rebuild(
    recorded: RecordedBlock,
    committed: State,
    previous_hash: str,
    *,
    signatures: bool = True,
) -> Block:
    """The block as it follows from what it records; raises `NotAsRecorded`.

    Without `signatures` they are not verified, which takes half of the time.
    """
    if len(recorded.transactions) > MAX_TRANSACTIONS:
        raise NotAsRecorded(f"block {recorded.height} has too many transactions")
    kind = Candidate if signatures else _Trusted
    staged = StagedBlock(committed, height=recorded.height, time=recorded.time)
    for each in recorded.transactions:
        if isinstance(each, RefusedTransaction):
            staged.note(each)
            continue
        candidate = kind(each, hashlib.sha256(each).digest())
        refused = staged.deliver(candidate)
        if refused is not None:
            raise NotAsRecorded(
                f"block {recorded.height}: transaction {refused.index}"
                f" ({refused.transaction_id or 'without an id'}) is not valid:"
                f" {refused.error}: {refused.reason}"
            )
    block = staged.end(previous_hash)
    if block.app_hash != recorded.app_hash:
        raise NotAsRecorded(
            f"block {recorded.height}: its app hash is {recorded.app_hash[:80] or 'empty'},"
            f" but what it holds makes {block.app_hash or 'an empty one'}"
        )
    return block
