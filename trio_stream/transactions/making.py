"""Elections and votes as BigchainDB's command line makes them, signed with a validator's key.

A node only judges transactions; these are what its own commands send. The same arguments make the
same document, since Ed25519 has nothing random: whoever votes twice sends the same vote twice. Two
elections about the same thing differ by their seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nacl.signing import SigningKey

from trio_stream.transactions import base58, canonical
from trio_stream.transactions.conditions import (
    ED25519,
    NAMES,
    base64url,
    ed25519_condition,
)
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.fulfillments import Ed25519
from trio_stream.transactions.structure import (
    CHAIN_MIGRATION_ELECTION,
    VALIDATOR_ELECTION,
    VOTE,
)

Document = dict[str, Any]

_VERSION: Final = "2.0"


class NotAVoter(Exception):
    """The election gave no tokens to this key."""


class Signer:
    """The Ed25519 key pair that follows from a seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        self._secret = SigningKey(seed)
        self.key = bytes(self._secret.verify_key)
        """The public key."""
        self.public = base58.encode(self.key)
        """The same as transactions have it."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of a signature."""
        return self._secret.sign(message).signature


def validator_election(
    signer: Signer,
    validators: Sequence[Validator],
    *,
    key: bytes,
    power: int,
    node_id: str,
    seed: str,
) -> Document:
    """An election that gives a key of 32 bytes this power, among these validators."""
    public_key = {"value": key.hex().upper(), "type": "ed25519-base16"}
    change = {"public_key": public_key, "power": power, "node_id": node_id}
    return _election(signer, validators, VALIDATOR_ELECTION, {**change, "seed": seed})


def migration_election(
    signer: Signer, validators: Sequence[Validator], *, seed: str
) -> Document:
    """An election that ends the chain, so that another can follow it."""
    return _election(signer, validators, CHAIN_MIGRATION_ELECTION, {"seed": seed})


def vote(signer: Signer, election: Mapping[str, Any]) -> Document:
    """A vote with all tokens that the signer got from the election. Raises `NotAVoter`."""
    indexes = [
        index
        for index, output in enumerate(election["outputs"])
        if output["public_keys"] == [signer.public]
    ]
    if not indexes:
        raise NotAVoter
    spent = [election["outputs"][index] for index in indexes]
    links = [
        {"transaction_id": election["id"], "output_index": index} for index in indexes
    ]
    amount = sum(int(output["amount"]) for output in spent)
    outputs = [_output(bytes.fromhex(election["id"]), amount)]
    return _signed(signer, VOTE, {"id": election["id"]}, links, outputs)


def _election(
    signer: Signer, validators: Sequence[Validator], operation: str, data: Document
) -> Document:
    outputs = [_output(each.key, each.power) for each in validators]
    return _signed(signer, operation, {"data": data}, [None], outputs)


def _output(key: bytes, amount: int) -> Document:
    public = base58.encode(key)
    return {
        "public_keys": [public],
        "condition": {
            "details": {"type": NAMES[ED25519], "public_key": public},
            "uri": ed25519_condition(key).uri,
        },
        "amount": str(amount),
    }


def _signed(
    signer: Signer,
    operation: str,
    asset: Document,
    links: Sequence[Document | None],
    outputs: Sequence[Document],
) -> Document:
    inputs: list[Document] = [
        {"owners_before": [signer.public], "fulfills": link, "fulfillment": None}
        for link in links
    ]
    document = {
        "inputs": inputs,
        "outputs": outputs,
        "operation": operation,
        "metadata": None,
        "asset": asset,
        "version": _VERSION,
        "id": None,
    }
    unsigned = canonical.serialize(document)
    for each in inputs:
        message = unsigned
        if (link := each["fulfills"]) is not None:
            message += f"{link['transaction_id']}{link['output_index']}"
        each["fulfillment"] = _fulfillment(signer, message)
    text = canonical.serialize(document)
    return {**document, "id": hashlib.sha3_256(text.encode()).hexdigest()}


def _fulfillment(signer: Signer, message: str) -> str:
    digest = hashlib.sha3_256(message.encode()).digest()
    return base64url(Ed25519(signer.key, signer.sign(digest)).encode())
