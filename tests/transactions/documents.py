"""Sample transactions that more than one test file uses."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from scripts.signing import Key, base58_encode, create, seal
from tests.conftest import VECTORS

ALICE = Key.from_seed(b"\x01" * 32)
BOB = Key.from_seed(b"\x02" * 32)

VALID = sorted(path.stem for path in VECTORS.glob("[vq][0-9]*.json"))
REFUSED = sorted(path.stem for path in VECTORS.glob("[ix][0-9]*.json"))


def vector(name: str) -> dict[str, Any]:
    """One recorded transaction and what the reference says of it."""
    loaded: dict[str, Any] = json.loads(Path(VECTORS, f"{name}.json").read_text())
    return loaded


def raw_of(recorded: dict[str, Any]) -> bytes:
    """The bytes of a vector's transaction."""
    text = recorded.get("transaction_raw") or json.dumps(recorded["transaction"])
    return text.encode()


def sealed(**changes: object) -> dict[str, Any]:
    """A CREATE with other members, whose id is right but whose signature is not."""
    return seal({**create(ALICE), **changes})


def with_details(details: object) -> dict[str, Any]:
    """A CREATE whose output has these details, its id right."""
    document = create(ALICE)
    document["outputs"][0]["condition"]["details"] = details
    return seal(document)


def nested_details(thresholds: int) -> dict[str, Any]:
    """A key below so many thresholds of one."""
    details: dict[str, Any] = {"type": "ed25519-sha-256", "public_key": ALICE.public}
    for _ in range(thresholds):
        details = {
            "type": "threshold-sha-256",
            "threshold": 1,
            "subconditions": [details],
        }
    return details


def element(tag: int, *contents: bytes) -> bytes:
    """An element in DER, written without the package."""
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + len(body).to_bytes(size, "big") + body


def base64url(data: bytes) -> str:
    """The text of a fulfillment's bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_of_bytes(data: bytes) -> str:
    """Base58 of any bytes."""
    return base58_encode(data)
