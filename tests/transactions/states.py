"""A state to validate against, in dictionaries: a model of what the log keeps."""

from __future__ import annotations

from collections.abc import Sequence

from trio_stream.transactions.elections import Validator
from trio_stream.transactions.model import Transaction
from trio_stream.transactions.rules import SpendableOutput


class State:
    """Transactions that have been added, and what they spent."""

    def __init__(self, validators: Sequence[Validator] = ()) -> None:
        self._validators = validators
        self._transactions: dict[str, Transaction] = {}
        self._spenders: dict[tuple[str, int], str] = {}

    def add(self, transaction: Transaction) -> None:
        self._transactions[transaction.id] = transaction
        for each in transaction.inputs:
            if each.fulfills is not None:
                self._spenders[each.fulfills] = transaction.id

    def has_transaction(self, transaction_id: str) -> bool:
        return transaction_id in self._transactions

    def output(self, transaction_id: str, output_index: int) -> SpendableOutput | None:
        transaction = self._transactions.get(transaction_id)
        if transaction is None or output_index >= len(transaction.outputs):
            return None
        output = transaction.outputs[output_index]
        return SpendableOutput(
            transaction.asset_id, output.amount, output.condition_uri
        )

    def spender(self, transaction_id: str, output_index: int) -> str | None:
        return self._spenders.get((transaction_id, output_index))

    def validators(self) -> Sequence[Validator]:
        return self._validators
