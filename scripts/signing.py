"""Makes signed BigchainDB 2.0 transactions, as a driver does.

For the demo, the benchmarks and the tests. It follows the public description of the format and uses
nothing from the package, so what the package accepts was not made by the code that judges it. It
writes outputs locked by one Ed25519 key and inputs signed by one; richer ones are in the test
vectors.

Nothing here is random: the same keys and arguments give the same transaction. Pass different
`metadata` or `data` to get different ids. `python -m scripts.signing` prints a CREATE, signed with
a throwaway key, to post.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import rapidjson
from nacl.signing import SigningKey

Document = dict[str, Any]
Recipients = Sequence[tuple["Key | str", int]]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_COST = 131072


@dataclass(frozen=True, slots=True)
class Key:
    """An Ed25519 key pair that signs transactions."""

    secret: SigningKey
    public: str

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key pair of a 32-byte seed."""
        secret = SigningKey(seed)
        return cls(secret, base58_encode(bytes(secret.verify_key)))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return self.secret.sign(message).signature


def create(
    signer: Key,
    *,
    recipients: Recipients | None = None,
    data: Mapping[str, object] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Document:
    """A signed CREATE; without `recipients` the signer receives one unit."""
    document = _unsigned(
        "CREATE", {"data": data}, recipients or [(signer, 1)], metadata
    )
    document["inputs"] = [_unsigned_input(signer, None)]
    return sign(document, signer)


def transfer(
    spent: Mapping[str, Any],
    signer: Key,
    *,
    output_index: int = 0,
    recipients: Recipients | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Document:
    """A signed TRANSFER of one output of `spent`, by default all of it back to the signer."""
    amount = int(spent["outputs"][output_index]["amount"])
    created = spent["operation"] != "TRANSFER"
    asset = {"id": spent["id"] if created else spent["asset"]["id"]}
    document = _unsigned("TRANSFER", asset, recipients or [(signer, amount)], metadata)
    link = {"transaction_id": spent["id"], "output_index": output_index}
    document["inputs"] = [_unsigned_input(signer, link)]
    return sign(document, signer)


def encode(transaction: Mapping[str, object]) -> bytes:
    """The bytes that BigchainDB's HTTP door hands to the consensus engine."""
    return json.dumps(transaction).encode()


def sign(document: Document, *signers: Key) -> Document:
    """Fill in the fulfillments, that of input i by signer i, and the id."""
    signatures = [
        _fulfillment(signer, message(document, index))
        for index, signer in enumerate(signers)
    ]
    for each, fulfillment in zip(document["inputs"], signatures, strict=True):
        each["fulfillment"] = fulfillment
    return seal(document)


def seal(document: Document) -> Document:
    """Set the id that follows from the rest of the document."""
    document["id"] = None
    document["id"] = hashlib.sha3_256(_canonical(document)).hexdigest()
    return document


def message(document: Mapping[str, Any], index: int) -> bytes:
    """The digest that the signature of input `index` must be of."""
    inputs = [{**each, "fulfillment": None} for each in document["inputs"]]
    text = _canonical({**document, "id": None, "inputs": inputs})
    link = inputs[index]["fulfills"]
    if link is not None:
        text += f"{link['transaction_id']}{link['output_index']}".encode()
    return hashlib.sha3_256(text).digest()


def base58_encode(data: bytes) -> str:
    """`data` in the Bitcoin alphabet."""
    number = int.from_bytes(data)
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + digits


def base58_decode(text: str) -> bytes:
    """The bytes that a text in the Bitcoin alphabet stands for."""
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _unsigned(
    operation: str,
    asset: Document,
    recipients: Recipients,
    metadata: Mapping[str, object] | None,
) -> Document:
    return {
        "inputs": [],
        "outputs": [_output(recipient, amount) for recipient, amount in recipients],
        "operation": operation,
        "metadata": metadata,
        "asset": asset,
        "version": "2.0",
        "id": None,
    }


def _unsigned_input(signer: Key, fulfills: Document | None) -> Document:
    return {"owners_before": [signer.public], "fulfills": fulfills, "fulfillment": None}


def _output(recipient: Key | str, amount: int) -> Document:
    public = recipient.public if isinstance(recipient, Key) else recipient
    # SEQUENCE { [0] public key }
    contents = b"\x30\x22\x80\x20" + base58_decode(public)
    digest = _base64url(hashlib.sha256(contents).digest())
    uri = f"ni:///sha-256;{digest}?fpt=ed25519-sha-256&cost={_ED25519_COST}"
    details = {"type": "ed25519-sha-256", "public_key": public}
    return {
        "public_keys": [public],
        "condition": {"details": details, "uri": uri},
        "amount": str(amount),
    }


def _fulfillment(signer: Key, digest: bytes) -> str:
    # [4] { [0] public key, [1] signature }
    public = bytes(signer.secret.verify_key)
    return _base64url(b"\xa4\x64\x80\x20" + public + b"\x81\x40" + signer.sign(digest))


def _canonical(value: object) -> bytes:
    text: str = rapidjson.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    print(
        encode(create(Key.from_seed(os.urandom(32)), data={"kind": "bicycle"})).decode()
    )
