"""A chain that is made up, with all its hashes, in the JSON of CometBFT 0.38."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

from trio_stream.cometbft.blocks import BlockId, Header
from trio_stream.cometbft.hashes import data_hash, header_hash, results_hash
from trio_stream.cometbft.results import TxResult, read_results

NOBODY = BlockId(b"", 0, b"")


class MadeChain:
    """Blocks from `first` to `last`; block h has h % 3 transactions."""

    def __init__(
        self, last: int, *, first: int = 1, chain_id: str = "made", salt: str = ""
    ) -> None:
        self.chain_id = chain_id
        self.first = first
        self.salt = salt
        self.blocks: dict[int, dict[str, Any]] = {}
        self.results: dict[int, dict[str, Any]] = {}
        self._previous = NOBODY
        self._last_results = results_hash((), 11)
        for height in range(first, last + 1):
            self.grow(height)

    @property
    def last(self) -> int:
        return max(self.blocks)

    def copy(self, last: int, salt: str) -> MadeChain:
        """The same up to `last`; another history from then on."""
        made = MadeChain(last, first=self.first, chain_id=self.chain_id, salt=self.salt)
        made.salt = salt
        return made

    def app_hash(self, height: int) -> bytes:
        return sha256(f"{self.chain_id}{height}".encode()).digest()

    def grow(self, height: int | None = None) -> None:
        height = self.last + 1 if height is None else height
        txs = [f"{self.salt}tx{height}.{i}".encode() for i in range(height % 3)]
        tx_digests = [sha256(tx).digest() for tx in txs]
        header = Header(
            11, 0, self.chain_id, height, f"2026-01-02T03:04:{height % 60:02}.5Z", None,
            self._previous, *(sha256(b"x").digest(),), data_hash(tx_digests, 11),
            *(sha256(b"y").digest(),) * 3, self.app_hash(height - 1), self._last_results,
            sha256(b"").digest(), bytes(20),
        )  # fmt: skip
        block_id = BlockId(header_hash(header), 1, sha256(b"z").digest())
        self.blocks[height] = {
            "block_id": _block_id(block_id),
            "block": {
                "header": _header(header),
                "data": {"txs": [base64.b64encode(tx).decode() for tx in txs]},
                "evidence": {"evidence": []},
                "last_commit": {"height": "0", "round": 0, "signatures": []},
            },
        }
        self.results[height] = {
            "height": str(height),
            "txs_results": [_result(tx.decode()) for tx in txs] or None,
            "finalize_block_events": [_event("block", "height", str(height))],
            "validator_updates": None,
            "consensus_param_updates": None,
            "app_hash": base64.b64encode(self.app_hash(height)).decode(),
        }
        self._previous = block_id
        read: tuple[TxResult, ...] = read_results(self.results[height]).txs
        self._last_results = results_hash(read, 11)

    def commit(self, height: int) -> dict[str, Any]:
        block = self.blocks[height]
        commit = {
            "height": str(height),
            "block_id": block["block_id"],
            "signatures": [],
        }
        return {
            "signed_header": {"header": block["block"]["header"], "commit": commit},
            "canonical": True,
        }


def _result(name: str) -> dict[str, Any]:
    return {
        "code": 0, "data": None, "log": "", "info": "", "gas_wanted": "5",
        "gas_used": "3", "codespace": "",
        "events": [_event("transfer", "recipient", name)],
    }  # fmt: skip


def _event(kind: str, key: str, value: str) -> dict[str, Any]:
    attribute = {"key": key, "value": value, "index": True}
    return {"type": kind, "attributes": [attribute]}


def _block_id(block_id: BlockId) -> dict[str, Any]:
    parts = {"total": block_id.parts_total, "hash": _hex(block_id.parts_hash)}
    return {"hash": _hex(block_id.hash), "parts": parts}


def _header(header: Header) -> dict[str, Any]:
    made = {
        "version": {"block": "11"},
        "chain_id": header.chain_id,
        "height": str(header.height),
        "time": header.time,
        "last_block_id": _block_id(header.last_block_id),
    }
    for name in (
        "last_commit_hash data_hash validators_hash next_validators_hash consensus_hash"
        " app_hash last_results_hash evidence_hash proposer_address"
    ).split():
        made[name] = _hex(getattr(header, name))
    return made


def _hex(value: bytes) -> str:
    return value.hex().upper()
