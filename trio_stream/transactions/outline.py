"""What an accepted transaction says, read again without judging it.

A log is checked by comparing its rows with what its transactions say. Whether their structure is
right and their signatures are valid was decided when they were accepted, and takes most of the
time; whether a transaction is still the one that was accepted then is shown by its id. So this
reads only what the rows hold, at twice the speed of `model.parse`, and checks only the id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from trio_stream.transactions import canonical
from trio_stream.transactions.conditions import ED25519, NAMES, condition_of_details
from trio_stream.transactions.errors import InvalidHash, MalformedTransaction
from trio_stream.transactions.fulfillments import Unsigned
from trio_stream.transactions.model import Input, Link, Output, Transaction

KEPT_URIS: Final = 10_000
"""Conditions of single keys that are remembered: computing one takes a tenth of the time that
reading a transaction takes, and most keys occur more than once."""

_NO_PROOF: Final = Unsigned()
_ED25519: Final = NAMES[ED25519]


class Outline(NamedTuple):
    """A transaction without its proofs, and the JSON object that it was read from."""

    transaction: Transaction
    document: Mapping[str, Any]


class Outlines:
    """Reads outlines, one after the other; not to be shared between threads."""

    def __init__(self) -> None:
        self._uris: dict[str, str | None] = {}

    def read(self, raw: bytes) -> Outline:
        """The outline of these bytes; raises a ValidationError, never anything else."""
        document = canonical.decode(raw)
        if not isinstance(document, dict):
            raise MalformedTransaction("not a JSON object")
        text = canonical.serialize({**document, "id": None})
        computed = hashlib.sha3_256(text.encode()).hexdigest()
        if document.get("id") != computed:
            raise InvalidHash(f"its contents have the id {computed}")
        try:
            return Outline(self._outline(computed, document, raw), document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MalformedTransaction("not the structure of a transaction") from error

    def _outline(
        self, transaction_id: str, document: dict[str, Any], raw: bytes
    ) -> Transaction:
        return Transaction(
            transaction_id,
            document["operation"],
            document["asset"].get("id", transaction_id),
            tuple([_input(each) for each in document["inputs"]]),
            tuple([self._output(each) for each in document["outputs"]]),
            raw,
        )

    def _output(self, value: dict[str, Any]) -> Output:
        return Output(
            tuple(value["public_keys"] or ()),
            int(value["amount"]),
            self._uri(value["condition"]["details"]),
        )

    def _uri(self, details: dict[str, Any]) -> str | None:
        if details["type"] != _ED25519:
            condition = condition_of_details(details)
            return None if condition is None else condition.uri
        key: str = details["public_key"]
        uri = self._uris.get(key)
        if uri is None:
            condition = condition_of_details(details)
            assert condition is not None
            if len(self._uris) >= KEPT_URIS:
                self._uris.clear()
            uri = self._uris[key] = condition.uri
        return uri


def _input(value: dict[str, Any]) -> Input:
    spent = value["fulfills"]
    link = None if spent is None else Link(**spent)
    return Input(tuple(value["owners_before"]), link, _NO_PROOF, b"")
