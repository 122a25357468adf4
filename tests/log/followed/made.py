"""Blocks of a chain that nobody runs, and logs of them."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock, FollowedChain
from trio_stream.cometbft.results import read_results

CHAIN = FollowedChain("cosmoshub-4", 5)


def hash_at(height: int) -> bytes:
    return sha256(b"block %d" % height).digest()


def event(kind: str, *attributes: str, indexed: bool = True) -> dict[str, Any]:
    """An event with attributes written as `key=value`."""
    return {
        "type": kind,
        "attributes": [
            {"key": key, "value": value, "index": indexed}
            for key, _, value in (each.partition("=") for each in attributes)
        ],
    }


def transfer(recipient: str, amount: str = "5uatom") -> dict[str, Any]:
    return event("transfer", f"recipient={recipient}", f"amount={amount}")


def made(
    height: int, *txs: list[dict[str, Any]], ended: list[dict[str, Any]] | None = None
) -> FollowedBlock:
    """A block with transactions of these events, and events of its own."""
    raw_block: dict[str, Any] = {
        "block_id": {"hash": hash_at(height).hex().upper(), "parts": {}},
        "block": {
            "header": {
                "version": {"block": "11"},
                "chain_id": CHAIN.chain_id,
                "height": str(height),
                "time": f"2026-11-28T08:{height // 60:02}:{height % 60:02}.000000007Z",
                "last_block_id": {"hash": hash_at(height - 1).hex().upper()},
            },
            "data": {"txs": [tx_of(height, index) for index in range(len(txs))]},
        },
    }
    raw_results: dict[str, Any] = {
        "height": str(height),
        "txs_results": [
            {"code": 0, "gas_wanted": "10", "gas_used": "9", "log": "", "events": each}
            for each in txs
        ]
        or None,
        "finalize_block_events": ended or [],
        "app_hash": b64encode(hash_at(height)).decode(),
    }
    return FollowedBlock(
        read_block(raw_block), read_results(raw_results), raw_block, raw_results
    )


def tx_of(height: int, index: int) -> str:
    return b64encode(b"tx %d of %d" % (index, height)).decode()
