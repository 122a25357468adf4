"""Elections and votes as an operator's command makes them, and the validators who hold them."""

from __future__ import annotations

import base64
from typing import Any, Final

from scripts.signing import (
    Document,
    Key,
    Recipients,
    base58_encode,
    create,
    sign,
    transfer,
)
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.transactions.elections import Validator

KEYS: Final = [Key.from_seed(bytes([seed]) * 32) for seed in (11, 12, 13, 14)]
NEWCOMER: Final = Key.from_seed(b"\x32" * 32)
POWER: Final = 10

_ENCODERS = {
    "ed25519-base16": base64.b16encode,
    "ed25519-base32": base64.b32encode,
    "ed25519-base64": base64.b64encode,
}


def key_of(key: Key) -> bytes:
    """The 32 bytes of the public key."""
    return bytes(key.secret.verify_key)


SET: Final = [Validator("ed25519", key_of(key), POWER) for key in KEYS]
GENESIS: Final = [ValidatorUpdate(*each) for each in SET]


def election(
    candidate: Key = NEWCOMER,
    *,
    power: object = 5,
    proposer: Key = KEYS[0],
    recipients: Recipients | None = None,
    seed: str = "a",
    encoding: str = "ed25519-base16",
) -> Document:
    """A signed VALIDATOR_ELECTION."""
    value = _ENCODERS[encoding](key_of(candidate)).decode()
    data = {
        "public_key": {"type": encoding, "value": value},
        "power": power,
        "node_id": "ab" * 20,
        "seed": seed,
    }
    return _opened("VALIDATOR_ELECTION", data, proposer, recipients)


def migration(
    *,
    proposer: Key = KEYS[0],
    recipients: Recipients | None = None,
    seed: str = "a",
) -> Document:
    """A signed CHAIN_MIGRATION_ELECTION."""
    data = {"seed": seed}
    return _opened("CHAIN_MIGRATION_ELECTION", data, proposer, recipients)


def _opened(
    operation: str, data: Document, proposer: Key, recipients: Recipients | None
) -> Document:
    tokens = recipients or [(key, POWER) for key in KEYS]
    document = create(proposer, recipients=tokens, data=data)
    return sign({**document, "operation": operation}, proposer)


def vote(
    opened: Document,
    voter: Key,
    *,
    spent: Document | None = None,
    signer: Key | None = None,
    recipients: Recipients | None = None,
    keeps: bool = False,
    metadata: Any = None,
) -> Document:
    """A signed VOTE with the tokens that the voter got from the election, all unless divided.

    Or with those of the first output of `spent`. One who `keeps` them can spend them again.
    """
    index = 0
    if spent is None:
        keys = [output["public_keys"] for output in opened["outputs"]]
        index = keys.index([voter.public])
    source = spent or opened
    address = base58_encode(bytes.fromhex(opened["id"]))
    amount = int(source["outputs"][index]["amount"])
    document = transfer(
        source,
        voter,
        output_index=index,
        recipients=recipients or [(voter if keeps else address, amount)],
        metadata=metadata,
    )
    if keeps:
        document["outputs"][0]["public_keys"] = [address]
    document["asset"] = {"id": opened["id"]}
    return sign({**document, "operation": "VOTE"}, signer or voter)
