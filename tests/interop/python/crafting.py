"""What an application writes around the Python driver: keys, inputs, thresholds by hand.

The driver locks an output with all of its owners and signs with all of them. For two of three,
its documentation composes the condition and the signature with cryptoconditions, as is done here.
"""

from __future__ import annotations

from hashlib import sha3_256
from typing import Any

import base58  # type: ignore[import-not-found]
from bigchaindb_driver.common.transaction import (  # type: ignore[import-not-found]
    Transaction,
)
from bigchaindb_driver.crypto import (  # type: ignore[import-not-found]
    generate_keypair,
)
from cryptoconditions import (  # type: ignore[import-not-found]
    Ed25519Sha256,
    ThresholdSha256,
)

Document = dict[str, Any]


def keys_of(seeds: dict[str, str]) -> dict[str, Any]:
    """The driver's key pairs, by the owner's name."""
    return {n: generate_keypair(bytes.fromhex(seed)) for n, seed in seeds.items()}


def two_of(publics: list[str]) -> Document:
    """An output that two of its owners can spend: the driver itself only makes all-of-them."""
    parts = [{"type": "ed25519-sha-256", "public_key": public} for public in publics]
    details = {"type": "threshold-sha-256", "threshold": 2, "subconditions": parts}
    uri = condition_of(details).condition.serialize_uri()
    condition = {"details": details, "uri": uri}
    return {"public_keys": publics, "condition": condition, "amount": "1"}


def spend(document: Document, index: int) -> Document:
    """The input that spends an output, as the documentation makes it."""
    output = document["outputs"][index]
    return {
        "fulfillment": output["condition"]["details"],
        "fulfills": {"transaction_id": document["id"], "output_index": index},
        "owners_before": output["public_keys"],
    }


def sign_by_hand(document: Document, details: Document, signers: list[Any]) -> Document:
    """Sign the only input, a threshold of keys, with some of its keys, and set the id."""
    only = document["inputs"][0]
    only["fulfillment"] = None
    document["id"] = None
    text = Transaction._to_str(document)
    if only["fulfills"]:
        text += "{transaction_id}{output_index}".format(**only["fulfills"])
    message = sha3_256(text.encode()).digest()
    secrets = {pair.public_key: pair.private_key for pair in signers}
    threshold = ThresholdSha256(threshold=details["threshold"])
    for each in details["subconditions"]:
        part = condition_of(each)
        if each["public_key"] in secrets:
            part.sign(message, base58.b58decode(secrets[each["public_key"]]))
            threshold.add_subfulfillment(part)
        else:
            threshold.add_subcondition(part.condition)
    only["fulfillment"] = threshold.serialize_uri()
    document["id"] = sha3_256(Transaction._to_str(document).encode()).hexdigest()
    return document


def condition_of(details: Document) -> Any:
    """What locks an output with these details, in the words of cryptoconditions."""
    if details["type"] == "ed25519-sha-256":
        return Ed25519Sha256(public_key=base58.b58decode(details["public_key"]))
    threshold = ThresholdSha256(threshold=details["threshold"])
    for each in details["subconditions"]:
        threshold.add_subfulfillment(condition_of(each))
    return threshold
