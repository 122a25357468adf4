"""Whether a log's tallies and sets of validators are those that its elections and votes make.

They are worked out again from the transactions of each block and from what the log says of the
blocks before it; if that is wrong, there is a finding about those blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import apsw

from trio_stream.ledger.block import Tally
from trio_stream.ledger.elections import Ballots, Outcome
from trio_stream.log.errors import LogDamaged
from trio_stream.log.rows import is_id, row, rows
from trio_stream.log.view import StoredView
from trio_stream.stream.position import END_OF_BLOCK, Position
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.outline import read_outline
from trio_stream.transactions.structure import VOTE


class AsOf(StoredView):
    """The committed state just before a transaction, or before the end of a block."""

    _at = 0

    def move(self, at: int) -> None:
        """Be the state before the transaction at this position."""
        self._at = at
        self.below = Position.of_key(at)[0]

    def has_transaction(self, transaction_id: str) -> bool:
        sql = "SELECT 1 FROM transactions WHERE id = ? AND position < ?"
        return is_id(transaction_id) and bool(
            rows(self.connection, sql, transaction_id, self._at)
        )

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        sql = (
            "SELECT spending.id FROM transactions AS spent JOIN outputs USING (position)"
            " JOIN transactions AS spending ON spending.position = outputs.spent_by"
            " WHERE spent.id = ? AND output_index = ? AND outputs.spent_by < ?"
        )
        if not may_exist(transaction_id, output_index):
            return None
        found = row(self.connection, sql, transaction_id, output_index, self._at)
        return found[0] if found else None


class Recount:
    """Takes in a range's elections and votes, and counts them once more."""

    def __init__(self, view: AsOf, say: Callable[[int, str], None]) -> None:
        self._view = view
        self._say = say
        self._ballots: dict[int, Ballots] = defaultdict(Ballots)

    def add(self, at: int, raw: bytes) -> None:
        """Take in the election or vote at this position."""
        said = read_outline(raw)
        ballots = self._ballots[Position.of_key(at)[0]]
        if said.operation != VOTE:
            ballots.open(said.id)
        elif is_id(said.asset_id):
            ballots.cast(
                said.asset_id,
                [
                    (each["public_keys"] or (), int(each["amount"]))
                    for each in said.document["outputs"]
                ],
            )

    def check(self, first: int, last: int) -> None:
        """Compare the outcome of each block of this range with what the log has."""
        connection = self._view.connection
        tallies = _tallies(connection, first, last)
        sets = _sets(connection, first, last)
        for height in sorted({*self._ballots, *tallies, *sets}):
            try:
                outcome = self._outcome(height)
            except (ValidationError, LogDamaged, ValueError):
                self._say(height, "its votes are about an election that can't be read")
                continue
            if sorted(outcome.tallies) != tallies.get(height, []):
                self._say(height, "its votes are not counted as its transactions say")
            if list(outcome.validators or []) != sets.get(height, []):
                self._say(
                    height, "the validators after it are not those that its votes make"
                )

    def _outcome(self, height: int) -> Outcome:
        if height not in self._ballots:
            return Outcome()
        self._view.below = height
        return self._ballots[height].count(height, self._view)


def _tallies(
    connection: apsw.Connection, first: int, last: int
) -> dict[int, list[Tally]]:
    sql = (
        "SELECT height, coalesce(id, ''), votes, concluded"
        " FROM tallies LEFT JOIN transactions ON position = election"
        " WHERE height BETWEEN ? AND ? ORDER BY height, id"
    )
    found: dict[int, list[Tally]] = defaultdict(list)
    for height, election_id, votes, concluded in rows(connection, sql, first, last):
        count = int(votes) if votes.isdecimal() else -1
        found[height].append(Tally(election_id, count, bool(concluded)))
    return found


def _sets(
    connection: apsw.Connection, first: int, last: int
) -> dict[int, list[Validator]]:
    """By the height of the block that decided on them."""
    sql = (
        "SELECT height - 1, key_type, key, power FROM validators"
        " WHERE height BETWEEN ? AND ? ORDER BY height, place"
    )
    found: dict[int, list[Validator]] = defaultdict(list)
    for height, *member in rows(connection, sql, first + 1, last + 1):
        found[height].append(Validator(*member))
    return found


def may_exist(transaction_id: str, output_index: int) -> bool:
    """Whether SQLite can look for it: a transaction may name anything."""
    return is_id(transaction_id) and 0 <= output_index <= END_OF_BLOCK
