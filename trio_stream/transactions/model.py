"""A transaction as the rules see it, and how it is made from its bytes.

`parse` checks everything that depends on the bytes alone: JSON, id, structure,
contents, and that conditions and fulfillments can be read. It is total: any input
gives a Transaction or a ValidationError. Whether a fulfillment is valid for its
message also depends on the bytes alone, but it costs most and comes last, so it is
left to `rules`.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from trio_stream.transactions import canonical, contents, elections, structure
from trio_stream.transactions.conditions import condition_of_details, uri_of_details
from trio_stream.transactions.errors import (
    MAX_TEXT,
    AmountError,
    InvalidHash,
    MalformedTransaction,
    SchemaValidationError,
)
from trio_stream.transactions.fulfillment_text import read_fulfillment
from trio_stream.transactions.fulfillments import Fulfillment, Unsigned
from trio_stream.transactions.quoting import say

MAX_AMOUNT = 9_000_000_000_000_000_000
"""The greatest amount of one output; sums have no limit."""


# Tuples, not dataclasses: thousands are made per second, frozen dataclasses take three
# times as long, and the garbage collector stops tracking tuples of plain values.


class Link(NamedTuple):
    """An output of a transaction; the id may be any text that contains a hash."""

    transaction_id: str
    output_index: int


class Input(NamedTuple):
    """What is spent, its stated owners, the proof, and the message that the proof is for."""

    owners_before: tuple[str, ...]
    fulfills: Link | None
    fulfillment: Fulfillment
    message: bytes


class Output(NamedTuple):
    """An amount under a condition, which is None if no fulfillment can ever meet it."""

    public_keys: tuple[str, ...]
    amount: int
    condition_uri: str | None


class Transaction(NamedTuple):
    """A transaction; `asset_id` of a CREATE or an election is its own id."""

    id: str
    operation: str
    asset_id: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    raw: bytes

    @property
    def value(self) -> dict[str, Any]:
        """The JSON object that was sent, decoded again from the bytes."""
        return _object(canonical.decode(self.raw))


def parse(raw: bytes) -> Transaction:
    """The transaction in these bytes; raises a ValidationError, never anything else."""
    return parse_value(canonical.decode(raw), raw)


def parse_value(value: object, raw: bytes) -> Transaction:
    """The transaction that `value` describes, which was decoded from `raw`."""
    document = _object(value)
    text = canonical.serialize({**document, "id": None})
    transaction_id = _checked_id(document, text)
    structure.check(document)
    asset = document["asset"]
    if document["operation"] in structure.PLAIN:
        contents.check(asset.get("data"), document["metadata"])
    else:
        # The reference looks at no name in these. It can't store those that it refuses elsewhere,
        # though, and ends with the block; any language will do.
        elections.check(document)
        contents.check(asset.get("data"), document["metadata"], languages=False)
    # Hashed once for all inputs: each adds only its own part.
    signed = hashlib.sha3_256(_without_fulfillments(document, text).encode())
    return Transaction(
        transaction_id,
        document["operation"],
        asset.get("id", transaction_id),
        tuple([_input(each, signed) for each in document["inputs"]]),
        tuple([_output(each) for each in document["outputs"]]),
        raw,
    )


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedTransaction("not a JSON object")
    return value


def _checked_id(document: dict[str, Any], text: str) -> str:
    if "id" not in document:
        raise InvalidHash("No transaction id found!")
    computed = hashlib.sha3_256(text.encode()).hexdigest()
    if document["id"] != computed:
        claimed = say(document["id"], MAX_TEXT)
        raise InvalidHash(
            f"The transaction's id '{claimed}' isn't equal to the hash of its "
            "body, i.e. it's not valid."
        )
    return computed


def _without_fulfillments(document: dict[str, Any], text: str) -> str:
    """The canonical text with null for the id and for every fulfillment."""
    inputs = document["inputs"]
    if len(inputs) == 1:
        # Cheaper than writing it all again, if nothing else looks like the member.
        member = f'"fulfillment":"{inputs[0]["fulfillment"]}"'
        if text.count(member) == 1:
            return text.replace(member, '"fulfillment":null')
    unsigned = [{**each, "fulfillment": None} for each in inputs]
    return canonical.serialize({**document, "id": None, "inputs": unsigned})


def _input(value: dict[str, Any], signed: hashlib._Hash) -> Input:
    fulfillment = value["fulfillment"]
    if isinstance(fulfillment, str):
        proof = read_fulfillment(fulfillment)
    else:
        # Details in place of a fulfillment are read as such, and sign nothing.
        condition_of_details(fulfillment)
        proof = Unsigned()
    owners_before = value["owners_before"]
    if owners_before is None:
        raise SchemaValidationError("None is not of type 'array'")
    if value["fulfills"] is None:
        return Input(tuple(owners_before), None, proof, signed.digest())
    link = Link(**value["fulfills"])
    own = signed.copy()
    own.update(f"{link.transaction_id}{link.output_index}".encode())
    return Input(tuple(owners_before), link, proof, own.digest())


def _output(value: dict[str, Any]) -> Output:
    uri = uri_of_details(value["condition"]["details"])
    amount = int(value["amount"])
    if amount < 1:
        raise AmountError("`amount` must be greater than 0")
    if amount > MAX_AMOUNT:
        raise AmountError(f"`amount` must be <= {MAX_AMOUNT}")
    return Output(tuple(value["public_keys"] or ()), amount, uri)
