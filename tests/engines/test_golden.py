"""What a running BigchainDB 2.2.2 answered is answered on every engine, elections included."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from scripts import child
from tests.conftest import VECTORS
from tests.engines.site import PATIENCE, Site, settled
from tests.golden import replay
from tests.test_golden import check

pytestmark = pytest.mark.engine


async def test_answers_events_and_app_hashes_are_the_recorded_ones(site: Site) -> None:
    await site.prepare()
    take_recorded_validator(site.validator.home)
    async with site.daemon() as daemon, site.engine() as engine:
        await settled(engine.rpc)
        _, start_hash = await engine.rpc.application()

        async def app_hash(height: int) -> str:
            # It stands in the next header; an empty block is made for it if need be.
            async def signed() -> str | None:
                if await engine.rpc.height() <= height:
                    return None
                block = await engine.rpc.call("block", height=str(height + 1))
                header: str = block["block"]["header"]["app_hash"]
                return bytes.fromhex(header).decode()

            return await child.poll(signed, seconds=PATIENCE, what="next header")

        report = await replay(
            daemon.api,
            daemon.stream,
            leave_out=lambda step: None,
            start_hash=start_hash.decode(),
            app_hash=app_hash,
        )
    print(report)
    check(report)


def take_recorded_validator(home: Path) -> None:
    """Give a fresh home the validator that the recording's chain had."""
    requires = json.loads((VECTORS / "golden_http.json").read_text())["requires"]
    secret = SigningKey(bytes.fromhex(requires["validator_seed"]))
    public = bytes(secret.verify_key)
    key = {"type": "tendermint/PubKeyEd25519", "value": base64_of(public)}
    address = hashlib.sha256(public).digest()[:20].hex().upper()

    genesis = home / "config" / "genesis.json"
    document: dict[str, Any] = json.loads(genesis.read_text())
    document["validators"] = [
        {"address": address, "pub_key": key, "power": "10", "name": ""}
    ]
    genesis.write_text(json.dumps(document))

    private = {
        "type": "tendermint/PrivKeyEd25519",
        "value": base64_of(bytes(secret) + public),
    }
    (home / "config" / "priv_validator_key.json").write_text(
        json.dumps({"address": address, "pub_key": key, "priv_key": private})
    )


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
