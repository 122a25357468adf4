"""Where the chain and this log diverge: what is refused, what is warned of, and what to do.

Up to CometBFT 0.37 each block states the app hash after the block before it. From 0.38 on none
does, and only the engine notices that a replay went wrong, one block too late. All that is known of
it here are the refusals that the reference would not have made.
"""

from __future__ import annotations

from trio_stream.ledger.block import Block
from trio_stream.transactions.errors import (
    IntegerOutOfRange,
    NestingTooDeep,
    SubnormalDouble,
)

WHAT_TO_DO = (
    "Nothing was changed. For all cases see trio-stream help operating, under 'When engine and log"
    " disagree'"
)

# Refusals of what the reference accepts, at least in a block.
_DEPARTURES = frozenset(
    error.__name__
    for error in (
        IntegerOutOfRange,
        SubnormalDouble,
        NestingTooDeep,
    )
)


def other_hash(height: int, theirs: bytes, ours: str, *, is_first: bool) -> str | None:
    """What is wrong with a block that follows the app hash `theirs`; None if nothing is."""
    if theirs == ours.encode("ascii"):
        return None
    # Our hashes are text; those of another application need not be.
    shown = theirs[:80].decode("ascii", "backslashreplace") or "empty"
    cause = (
        "the genesis file's start_hash is not what this chain began with"
        if is_first
        else "a block before it had another effect there than here. Stop the daemon and run"
        " trio-stream check: if this log was changed, it names the height to roll back to; if not,"
        " the engine belongs to another chain, or to one with other rules"
    )
    return (
        f"block {height} follows app hash {shown}, but here it is {ours or 'empty'}:"
        f" {cause}. {WHAT_TO_DO}"
    )


def other_height(height: int, due: int) -> str:
    """What is wrong with a block that is not the next one, and what cures it."""
    cause = (
        "the engine does not have the blocks between, or does not replay them. Stop the daemon and"
        " run trio-stream restore with a backup that has them"
        if height > due
        else "the engine's data was reset, or is an older copy. Put its newer data back. If that is"
        f" lost, stop the daemon and run trio-stream rollback --to-height {height - 1}, which keeps"
        " a copy of this log"
    )
    return f"block {height}, but the next one here is {due}: {cause}. {WHAT_TO_DO}"


def other_chain(what: str, theirs: str, ours: str) -> str:
    """What is wrong with a request of another chain, and what cures it."""
    return (
        f"{what} chain {theirs!r:.80}, but this data directory belongs to chain {ours!r:.80}:"
        f" start the engine with its own --home, or the daemon. {WHAT_TO_DO}"
    )


def departure(block: Block) -> str | None:
    """A warning, if the block has refusals that the reference would not have made."""
    errors = sorted({each.error for each in block.refused} & _DEPARTURES)
    if not errors:
        return None
    return (
        f"block {block.height} has transactions that are refused here and may be valid in"
        f" BigchainDB ({', '.join(errors)}). On a chain that BigchainDB made the app hash"
        f" differs from this block on, and the engine ends. See trio-stream help operating, under"
        " 'When engine and log disagree'"
    )
