"""The homes of several validators of one chain: one genesis for all, and each knows the others.

Each home is made as that of a single validator, with keys of its own. What they share is put
together from what `init` wrote, which has the same form in every release.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.engines import home
from scripts.engines.home import BadHome, ValidatorHome


async def prepare(
    binary: Path, validators: Sequence[ValidatorHome], addresses: Sequence[str]
) -> None:
    """Make the homes, or keep keys and chain of existing ones; then set them up.

    `addresses` says for each, as host:port, where the others reach it. Raises BadHome.
    """
    for validator in validators:
        await home.prepare(binary, validator)
    peers = [
        f"{node_id(validator)}@{address}"
        for validator, address in zip(validators, addresses, strict=True)
    ]
    for validator, own in zip(validators, peers, strict=True):
        others = ",".join(peer for peer in peers if peer != own)
        settings: dict[home.Key, home.Value] = {
            **validator.settings,
            ("p2p", "persistent_peers"): others,
            # On one machine all have the same.
            ("p2p", "allow_duplicate_ip"): True,
        }
        await home.prepare(binary, replace(validator, settings=settings))
    _share_genesis(validators)


def node_id(validator: ValidatorHome) -> str:
    """The name under which its peers know it: a hash of its public key."""
    path = validator.home / "config" / "node_key.json"
    # The private key of Ed25519 is followed by the public one.
    key = base64.b64decode(json.loads(path.read_text())["priv_key"]["value"])[32:]
    return hashlib.sha256(key).digest()[:20].hex()


def _share_genesis(validators: Sequence[ValidatorHome]) -> None:
    paths = [each.home / "config" / "genesis.json" for each in validators]
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in paths]
    if all(each == found[0] for each in found):
        if len(found[0]["validators"]) == len(validators):
            return
    if any(len(each["validators"]) != 1 for each in found):
        raise BadHome(
            f"the homes in {validators[0].home.parent} are not those of one chain of"
            f" {len(validators)} validators; move them away"
        )
    together = {**found[0], "validators": [each["validators"][0] for each in found]}
    for path in paths:
        path.write_text(json.dumps(together, indent=2) + "\n")
