"""The homes of several nodes of one chain: one genesis for all, and each knows the others.

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
from scripts.signing import Key


async def prepare(
    binary: Path, validators: Sequence[ValidatorHome], addresses: Sequence[str]
) -> None:
    """Make the homes, or keep keys and chain of existing ones; then set them up.

    `addresses` says for each, as host:port, where the others reach it. Raises BadHome.
    """
    for validator in validators:
        await home.prepare(binary, validator)
    peers = _peers(validators, addresses)
    for validator, own in zip(validators, peers, strict=True):
        await _introduce(binary, validator, [peer for peer in peers if peer != own])
    _share_genesis(validators)


async def join(
    binary: Path,
    newcomer: ValidatorHome,
    members: Sequence[ValidatorHome],
    addresses: Sequence[str],
) -> None:
    """Make the home of a node that follows the members' chain; it is no validator by itself.

    It dials the members at those addresses; they need not know it. Raises BadHome.
    """
    await home.prepare(binary, newcomer)
    await _introduce(binary, newcomer, _peers(members, addresses))
    genesis = (members[0].home / "config" / "genesis.json").read_bytes()
    (newcomer.home / "config" / "genesis.json").write_bytes(genesis)


def _peers(validators: Sequence[ValidatorHome], addresses: Sequence[str]) -> list[str]:
    return [
        f"{node_id(validator)}@{address}"
        for validator, address in zip(validators, addresses, strict=True)
    ]


async def _introduce(
    binary: Path, validator: ValidatorHome, others: Sequence[str]
) -> None:
    settings: dict[home.Key, home.Value] = {
        **validator.settings,
        ("p2p", "persistent_peers"): ",".join(others),
        # On one machine all have the same.
        ("p2p", "allow_duplicate_ip"): True,
    }
    await home.prepare(binary, replace(validator, settings=settings))


def validator_key(validator: ValidatorHome) -> Key:
    """The key with which it signs blocks, and may sign elections and votes."""
    path = validator.home / "config" / "priv_validator_key.json"
    secret = base64.b64decode(json.loads(path.read_text())["priv_key"]["value"])
    return Key.from_seed(secret[:32])


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
