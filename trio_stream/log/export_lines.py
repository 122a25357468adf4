"""The lines of an export: JSON, each an object, to be compressed with gzip.

    {"trio_stream_export": 1, "chain": {"chain_id": ..., "rules": 1, "start_hash": "",
     "initial_height": 1, "genesis_time": [<seconds>, <nanoseconds>],
     "validators": [["ed25519", <key in hex>, <power>], ...]}, "height": ..., "transactions": ...}
    {"block": {"height": 1, "time": [..., ...], "app_hash": "", "accepted": 2, "refused": 1}}
    {"accepted": <the transaction, as text>}
    {"refused": [<SHA-256 in hex>, <id or null>, <error>, <reason>]}
    {"accepted": ...}
    ...
    {"end": {"digest": ..., "sha256": <of all lines before this one>}}

Where another chain continues the one before, from a block on, there is a line before the block's:

    {"move": {"chain_id": ..., "rules": 1, "start_hash": ..., "initial_height": ...,
     "genesis_time": [..., ...], "digest": <of all blocks before>}}

After a block's line come the transactions of the engine's block, in its order. The first line's
height and number of transactions are what the file ends with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

from trio_stream.ledger.block import Chain, RefusedTransaction
from trio_stream.ledger.recorded import RecordedBlock

FORMAT: Final = 1
MARK: Final = "trio_stream_export"


class Lines:
    """Writes the lines, and knows their SHA-256."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write_out = write
        self._hash = hashlib.sha256()

    def chain(self, chain: Chain, height: int, transactions: int) -> None:
        """The first line."""
        members = [
            [each.key_type, each.key.hex(), each.power] for each in chain.validators
        ]
        self._write(
            {
                MARK: FORMAT,
                "chain": {**_head(chain), "validators": members},
                "height": height,
                "transactions": transactions,
            }
        )

    def block(self, block: RecordedBlock) -> None:
        """A block and its transactions."""
        if block.begins is not None:
            assert block.begins.continues is not None
            digest = block.begins.continues.digest
            self._write({"move": {**_head(block.begins), "digest": digest}})
        refused = sum(
            isinstance(each, RefusedTransaction) for each in block.transactions
        )
        head = {
            "height": block.height,
            "time": [*block.time],
            "app_hash": block.app_hash,
            "accepted": len(block.transactions) - refused,
            "refused": refused,
        }
        self._write({"block": head})
        for each in block.transactions:
            if isinstance(each, RefusedTransaction):
                claimed = each.transaction_id
                row = [each.sha256.hex(), claimed, each.error, each.reason]
                self._write({"refused": row})
            else:
                self._write({"accepted": each.decode()})

    def end(self, digest: str) -> None:
        """The last line."""
        self._write({"end": {"digest": digest, "sha256": self._hash.hexdigest()}})

    def _write(self, value: dict[str, object]) -> None:
        line = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
        encoded = line.encode()
        self._hash.update(encoded)
        self._write_out(encoded)


def _head(chain: Chain) -> dict[str, object]:
    return {
        "chain_id": chain.chain_id,
        "rules": chain.rules,
        "start_hash": chain.start_hash,
        "initial_height": chain.initial_height,
        "genesis_time": [*chain.genesis_time],
    }
