"""What the log keeps of an accepted transaction, worked out from BigchainDB's JSON.

Another kind of chain can hand the log rows of the same shape (`block.AcceptedTransaction`).
"""

from __future__ import annotations

from typing import Any

from trio_stream.ledger.block import AcceptedTransaction
from trio_stream.transactions.model import Transaction
from trio_stream.transactions.owners import named_keys
from trio_stream.transactions.searchable import text_of


def rows_of(
    transaction: Transaction,
    index: int,
    sha256: bytes,
    document: dict[str, Any] | None = None,
) -> AcceptedTransaction:
    """The rows of a transaction; without its JSON object, its JSON is read once more."""
    if document is None:
        document = transaction.value
    return AcceptedTransaction(
        index,
        sha256,
        transaction.raw,
        transaction.id,
        transaction.asset_id,
        transaction.operation,
        [(each.amount, each.condition_uri) for each in transaction.outputs],
        [each.fulfills for each in transaction.inputs if each.fulfills is not None],
        list(named_keys(transaction, document)),
        text_of(document),
    )
