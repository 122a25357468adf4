"""A committed transaction as GET shows it.

The reference does not keep what was sent: it rebuilds the document from its objects.
So members are in its order, an amount loses its leading zeros, keys and fulfillments
are written in canonical form, and the uri is that of the details. The id stays, even
if it is no longer the hash of what is shown. What users put into `asset` and
`metadata` is shown as sent.
"""

from __future__ import annotations

from typing import Any

from trio_stream.transactions import base58, canonical
from trio_stream.transactions.conditions import NAMES, THRESHOLD, condition_of_details
from trio_stream.transactions.fulfillment_text import (
    read_fulfillment,
    write_fulfillment,
)


def shown(raw: bytes) -> dict[str, object]:
    """The document of an accepted transaction, with members in GET's order."""
    document = canonical.decode(raw)
    assert isinstance(document, dict)
    return {
        "inputs": [_input(each) for each in document["inputs"]],
        "outputs": [_output(each) for each in document["outputs"]],
        "operation": document["operation"],
        "metadata": document["metadata"],
        "asset": document["asset"],
        "version": document["version"],
        "id": document["id"],
    }


def _input(value: dict[str, Any]) -> dict[str, object]:
    link = value["fulfills"]
    return {
        "owners_before": value["owners_before"],
        "fulfills": link
        and {
            "transaction_id": link["transaction_id"],
            "output_index": link["output_index"],
        },
        "fulfillment": write_fulfillment(read_fulfillment(value["fulfillment"])),
    }


def _output(value: dict[str, Any]) -> dict[str, object]:
    condition = value["condition"]
    details = condition["details"]
    computed = condition_of_details(details)
    # If no condition can be computed the reference fails, and so does every block that
    # holds the transaction; the uri that was sent is more useful.
    uri = condition["uri"] if computed is None else computed.uri
    return {
        "public_keys": value["public_keys"],
        "condition": {"details": _details(details), "uri": uri},
        "amount": str(int(value["amount"])),
    }


def _details(details: dict[str, Any]) -> dict[str, object]:
    if details["type"] == NAMES[THRESHOLD]:
        return {
            "type": details["type"],
            "threshold": details["threshold"],
            "subconditions": [_details(part) for part in details["subconditions"]],
        }
    public_key = base58.decode_key(details["public_key"])
    assert public_key is not None
    return {"type": details["type"], "public_key": base58.encode(public_key)}
