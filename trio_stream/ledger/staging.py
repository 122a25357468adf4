"""A block while its transactions arrive: what they see, and what becomes of them.

Each transaction is judged against the committed state plus what the block accepted before it. A
refused one leaves a row for those who ask why, but no other trace: transactions after it don't see
it, and it is not in the hash. Nothing here is durable, and dropping the object undoes the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import (
    REASON_LIMIT,
    AcceptedTransaction,
    Block,
    RefusedTransaction,
    next_app_hash,
)
from trio_stream.ledger.elections import Ballots, Elections
from trio_stream.ledger.rows import rows_of
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.model import Transaction
from trio_stream.transactions.rules import SpendableOutput, View, validate
from trio_stream.transactions.structure import PLAIN


class State(View, Elections, Protocol):
    """All that is committed, as a block needs it."""

    def steady(self) -> AbstractContextManager[None]:
        """A block in which questions are cheaper; nothing may be committed in it."""
        ...


class BlockView:
    """The committed state and, on top, what the block has accepted so far."""

    def __init__(self, committed: View) -> None:
        self._committed = committed
        self._outputs: dict[str, Sequence[SpendableOutput]] = {}
        self._spenders: dict[tuple[str, int], str] = {}

    def has_transaction(self, transaction_id: str) -> bool:
        return transaction_id in self._outputs or self._committed.has_transaction(
            transaction_id
        )

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        staged = self._outputs.get(transaction_id)
        if staged is None:
            return self._committed.output(transaction_id, output_index)
        return staged[output_index] if 0 <= output_index < len(staged) else None

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        staged = self._spenders.get((transaction_id, output_index))
        return staged or self._committed.spender(transaction_id, output_index)

    def validators(self) -> Sequence[Validator]:
        # What the block decides about them is not decided before its end.
        return self._committed.validators()

    def accept(self, transaction: Transaction) -> None:
        """Add this transaction to the view."""
        self._outputs[transaction.id] = [
            SpendableOutput(transaction.asset_id, output.amount, output.condition_uri)
            for output in transaction.outputs
        ]
        for spending in transaction.inputs:
            if spending.fulfills is not None:
                link = spending.fulfills
                self._spenders[link.transaction_id, link.output_index] = transaction.id


class StagedBlock:
    """The block that is being delivered."""

    def __init__(self, committed: State, *, height: int, time: Time) -> None:
        self.height = height
        self._time = time
        self._committed = committed
        self._view = BlockView(committed)
        self._ballots = Ballots()
        self._accepted: list[AcceptedTransaction] = []
        self._refused: list[RefusedTransaction] = []

    def __len__(self) -> int:
        return len(self._accepted) + len(self._refused)

    def deliver(self, candidate: Candidate) -> RefusedTransaction | None:
        """Judge the block's next transaction; None if it is accepted."""
        index = len(self)
        try:
            transaction = validate(candidate, self._view)
        except ValidationError as error:
            refused = RefusedTransaction(
                index,
                candidate.sha256,
                candidate.transaction_id,
                type(error).__name__,
                reason(error),
            )
            self._refused.append(refused)
            return refused
        self._view.accept(transaction)
        if transaction.operation not in PLAIN:
            self._ballots.add(transaction)
        rows = rows_of(transaction, index, candidate.sha256, candidate.document)
        self._accepted.append(rows)
        return None

    def note(self, refused: RefusedTransaction) -> None:
        """Take down that the block's next transaction was refused, whose bytes are not known."""
        self._refused.append(replace(refused, index=len(self)))

    def end(self, previous_hash: str) -> Block:
        """The block as it stands, with its app hash and what its votes decide."""
        ids = [accepted.id for accepted in self._accepted]
        app_hash = next_app_hash(previous_hash, ids)
        outcome = self._ballots.count(self.height, self._committed)
        return Block(
            self.height,
            self._time,
            app_hash,
            self._accepted,
            self._refused,
            *outcome,
        )


def reason(error: ValidationError) -> str:
    """The error's text, shortened and encodable in UTF-8: it may quote what a peer sent."""
    text = str(error)[:REASON_LIMIT]
    return text.encode("utf-8", "backslashreplace").decode()[:REASON_LIMIT]
