"""What the votes of a block decide, and what follows from that.

The order of things, for a block of height H:

    block N     an election is accepted; from N + 1 on it can conclude
    block H     its votes reach two thirds of its tokens: it concludes
                a validator election: the new set is stored as that of H + 1, the engine is told
                a chain migration: nothing may migrate any more
    block H + 1 an election that was opened before may still conclude
    block H + 2 elections that were opened before H + 1 can't conclude any more

An election concludes only in the block whose votes cross the bound. Votes count by the
`public_keys` of their outputs alone, where these are the election's address and nothing else; they
stay counted when such an output is spent again. All this is as in the reference, or nodes would
fork, and all of it is worked out from what was committed before the block and the block itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from trio_stream.ledger.block import Tally
from trio_stream.transactions.elections import (
    Change,
    Validator,
    address_of,
    change_of,
    changed,
    why_fatal,
)
from trio_stream.transactions.model import Transaction, parse
from trio_stream.transactions.structure import VALIDATOR_ELECTION, VOTE

_BOUND: Final = 2 / 3
"""Of an election's tokens. Times an integer this is rounded as in the reference."""


def votes_needed(tokens: int) -> int:
    """How many votes decide an election that handed out so many tokens."""
    return math.ceil(_BOUND * tokens)


class Election(NamedTuple):
    """A committed election, as it stood after the newest block."""

    height: int
    operation: str
    tokens: int
    """All that it handed out."""
    votes: int
    """All that was counted so far."""


class Elections(Protocol):
    """What is committed of elections, and of the sets of validators."""

    def validators(self) -> Sequence[Validator]:
        """The newest set."""

    def validators_since(self, height: int) -> int:
        """The height from which on the set is in force that is in force at `height`; or 0."""

    def election(self, transaction_id: str) -> Election | None:
        """The election with this id, if there is one."""

    def body(self, transaction_id: str) -> bytes:
        """The bytes of a transaction that is there."""

    def is_migrating(self) -> bool:
        """Whether a chain migration has concluded."""


class Outcome(NamedTuple):
    """What a block's elections and votes change."""

    tallies: Sequence[Tally] = ()
    validators: Sequence[Validator] | None = None
    """The set from the next height on, if it is a new one."""
    updates: Sequence[Validator] = ()
    """What the engine is told."""


class Ballots:
    """The elections and votes that a block has accepted so far."""

    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._votes: dict[str, int] = {}
        """By what they are about, which need not be an election, in the order of the block."""

    def add(self, transaction: Transaction) -> None:
        """Take in the next election or vote."""
        if transaction.operation != VOTE:
            self.open(transaction.id)
            return
        outputs = [(each.public_keys, each.amount) for each in transaction.outputs]
        self.cast(transaction.asset_id, outputs)

    def open(self, election_id: str) -> None:
        """Take in the next election."""
        self._opened.add(election_id)

    def cast(self, about: str, outputs: Iterable[tuple[Sequence[str], int]]) -> None:
        """Take in the next vote: the keys and amounts of its outputs, and what it is about."""
        address = [address_of(about)]
        votes = sum(amount for keys, amount in outputs if [*keys] == address)
        self._votes[about] = self._votes.get(about, 0) + votes

    def count(self, height: int, committed: Elections) -> Outcome:
        """What they come to in the block of this height, which follows what is committed."""
        if not self._votes:
            return Outcome()
        counting = _Counting(height, committed)
        for about, votes in self._votes.items():
            counting.count(about, votes, is_new=about in self._opened)
        return Outcome(counting.tallies, counting.validators, counting.updates)


class _Counting:
    """The end of one block: each conclusion bears on those after it."""

    def __init__(self, height: int, committed: Elections) -> None:
        self.tallies: list[Tally] = []
        self.validators: Sequence[Validator] | None = None
        self.updates: Sequence[Validator] = ()
        self._committed = committed
        self._set_height = committed.validators_since(height - 1)
        self._is_migrating = False

    def count(self, election_id: str, votes: int, *, is_new: bool) -> None:
        election = self._committed.election(election_id)
        if election is None:
            # It can't conclude in its own block, but its votes count in later ones.
            if is_new and votes:
                self.tallies.append(Tally(election_id, votes, concluded=False))
            return
        after = election.votes + votes
        crosses = election.votes < _BOUND * election.tokens <= after
        concluded = crosses and self._conclude(election_id, election)
        if votes:
            self.tallies.append(Tally(election_id, after, concluded))

    def _conclude(self, election_id: str, election: Election) -> bool:
        """Apply the election's effect, unless something prevents it from concluding."""
        if self._set_height > election.height:
            return False
        if election.operation == VALIDATOR_ELECTION:
            document = parse(self._committed.body(election_id)).value
            return self._change_validators(change_of(document))
        if self._is_migrating or self._committed.is_migrating():
            return False
        self._is_migrating = True
        # The engine is told only what the last one of a block decides.
        self.updates = ()
        return True

    def _change_validators(self, change: Change) -> bool:
        if self.validators is not None:
            return False
        before = self._committed.validators()
        if why_fatal(before, change) is not None:
            # The engine would end. Checks refuse such an election, but whoever proposes a block can
            # put one into it; or the set has changed since, in the block before this one.
            return False
        self.validators = changed(before, change)
        power = change.power
        assert isinstance(power, int)
        self.updates = (Validator("ed25519", change.key, int(power)),)
        return True
