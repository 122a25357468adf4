"""The end of a chain, and how another one goes on with its log.

A chain ends with the block in which its validators' votes conclude a chain migration. BigchainDB
leaves it at that: its process goes on until it is restarted, and from then on refuses to start, so
a migration is the end. Here no block follows that one. Reads and streams go on, and InitChain of a
chain with another name, on any engine, may go on with the log where the old chain ended. It must
name the log's digest, so that nobody goes on with another history than the others.

A log that was imported has no engine that could go on with its chain, and waits for InitChain in
the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from trio_stream.ledger.block import Chain, Tip
from trio_stream.transactions.elections import Validator

_SUFFIX: Final = "-migrated-at-height-"
_HELP: Final = "see trio-stream help moving"


class Ended(NamedTuple):
    """Why no block of a chain follows any more."""

    chain_id: str
    height: int
    """Of its last block."""
    migrated_at: int
    """The height at which a migration concluded; 0: none did, but the log was imported."""

    @property
    def cause(self) -> str:
        """In a few words."""
        if self.migrated_at:
            return (
                f"chain {self.chain_id!r:.80} was migrated at height {self.migrated_at}"
            )
        return (
            f"the log of chain {self.chain_id!r:.80} was imported up to height"
            f" {self.height}"
        )

    @property
    def remedy(self) -> str:
        """What an operator can do."""
        return (
            "no block follows until an engine begins the chain that continues it:"
            f" {_HELP}"
        )

    @property
    def next_chain_id(self) -> str:
        """The next chain's name, as the reference makes it."""
        # It names the block before the one in which the migration concluded.
        last = self.migrated_at - 1 if self.migrated_at else self.height
        return f"{self.chain_id.partition(_SUFFIX)[0]}{_SUFFIX}{last}"

    def __str__(self) -> str:
        return f"{self.cause}, and {self.remedy}"


class MoveRefused(Exception):
    """A chain can't go on with this log; the text says why, and what to do."""


def check_move(
    chain: Chain,
    *,
    known: Chain | None,
    tip: Tip | None,
    ended: Ended | None,
    before: Chain | None,
    validators: Sequence[Validator],
    digest_of: Callable[[int], str],
) -> None:
    """Raise `MoveRefused` unless `chain` may go on with a log whose last chain is `known`.

    `before` has the newest block, which `known` may not have yet. `validators` are the newest ones
    of the log, `digest_of` makes the digest up to a height.
    """
    end = chain.continues
    assert end is not None
    if known is None or tip is None or before is None:
        raise MoveRefused(
            f"the genesis file continues a chain that ended at height {end.height}, but this log"
            f" is empty: import or copy the log of another node, {_HELP}"
        )
    has_no_block = tip.height < known.initial_height
    if ended is None and not has_no_block:
        raise MoveRefused(
            f"chain {known.chain_id!r:.80} goes on here, at height {tip.height}: it can be"
            f" continued by another one once a migration has concluded, {_HELP}"
        )
    # Whether the next chain has been asked for already differs among honest nodes: its name must
    # not matter.
    if chain.chain_id in ("", before.chain_id):
        name = f", as {ended.next_chain_id!r:.80}" if ended is not None else ""
        raise MoveRefused(
            f"a chain that continues {before.chain_id!r:.80} needs a name of its own{name}"
        )
    if end.height != tip.height:
        raise MoveRefused(
            f"the genesis file continues a chain that ended at height {end.height}, but this log"
            f" ends at {tip.height}: {_OTHER}"
        )
    if end.app_hash != tip.app_hash:
        raise MoveRefused(
            f"the genesis file continues a chain with app hash {end.app_hash or 'empty'} at"
            f" height {end.height}, but here it is {tip.app_hash or 'empty'}: {_OTHER}"
        )
    _check_validators(chain, validators)
    is_verified = has_no_block and known.continues == end
    ours = end.digest if is_verified else digest_of(tip.height)
    if end.digest != ours:
        raise MoveRefused(
            f"the genesis file continues a log with digest {end.digest}, but the digest of this"
            f" one is {ours}: {_OTHER}"
        )


_OTHER: Final = (
    "compare what trio-stream genesis prints with the other operators; if only this node differs,"
    f" import or copy the log of another one, {_HELP}"
)


def _check_validators(chain: Chain, ours: Sequence[Validator]) -> None:
    theirs = chain.validators
    if sorted(theirs) == sorted(ours):
        return
    times = Counter(each.key for each in theirs)
    twice = [each for each in theirs if times[each.key] > 1]
    if twice:
        raise MoveRefused(
            f"the genesis file has the same validator twice: {_shown(twice)}"
        )
    known, named = set(ours), set(theirs)
    more = [each for each in theirs if each not in known]
    less = [each for each in ours if each not in named]
    raise MoveRefused(
        "the genesis file has other validators than the chain ended with:"
        f" {_shown(more)} more, and without {_shown(less)}. trio-stream genesis writes the right"
        " ones; change them by elections, before the move or after it"
    )


def _shown(validators: Sequence[Validator]) -> str:
    """The first of them, by key and power."""
    texts = [f"{each.key.hex().upper()} ({each.power})" for each in validators[:2]]
    if len(validators) > len(texts):
        texts.append(f"{len(validators) - len(texts)} others")
    return ", ".join(texts) or "none"
