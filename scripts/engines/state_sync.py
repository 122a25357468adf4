"""Settings with which an engine that joins a chain restores a snapshot of its members.

Releases from 0.34 on can do so. What is restored is checked against a light client's word, which
needs a block to trust, and two RPC servers of members: the same one twice does on one machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from scripts.engines.home import Key, Value
from scripts.engines.process import Rpc

SECTION = "statesync"
RATE = 100_000_000
"""Bytes per second between two engines; a twentieth of that by default."""


async def trusting(
    *servers: Rpc, height: int = 1, rate: int = RATE
) -> Mapping[Key, Value]:
    """What a newcomer must set; it trusts the block of this height."""
    commit = await servers[0].call("commit", height=str(height))
    trusted = commit["signed_header"]["commit"]["block_id"]["hash"]
    urls = [f"http://{each.host}:{each.port}" for each in servers]
    return {
        (SECTION, "enable"): True,
        (SECTION, "rpc_servers"): ",".join((urls * 2)[: max(2, len(urls))]),
        (SECTION, "trust_height"): height,
        (SECTION, "trust_hash"): trusted,
        (SECTION, "trust_period"): "168h0m0s",
        # None accepts less.
        (SECTION, "discovery_time"): "5s",
        ("p2p", "send_rate"): rate,
        ("p2p", "recv_rate"): rate,
    }


def let_blocks_be_quick(genesis: Path) -> None:
    """Have blocks be dated when they are made, in this genesis file of a chain that has none.

    Up to Tendermint 0.34 they are dated a second apart, however soon they follow each other, and no
    light client believes blocks of the future.
    """
    document = json.loads(genesis.read_text())
    limits = document["consensus_params"]["block"]
    if "time_iota_ms" in limits:
        limits["time_iota_ms"] = "1"
        genesis.write_text(json.dumps(document))
