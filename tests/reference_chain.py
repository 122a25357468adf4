"""The chain of nine blocks that the reference made, as a log; it has elections that concluded."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.conftest import VECTORS
from tests.ledger.chains import Engine, new_engine
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.log.writer import CommitLog

CHAIN: Final[dict[str, Any]] = json.loads((VECTORS / "chain.json").read_text())
TIP: Final = len(CHAIN["blocks"])
GENESIS: Final = [
    ValidatorUpdate("ed25519", bytes.fromhex(each["public_key_hex"]), each["power"])
    for each in CHAIN["genesis_validators"]
]


def txs_of(height: int) -> list[bytes]:
    """What the engine's block of this height holds."""
    return [json.dumps(tx).encode() for tx in CHAIN["blocks"][height - 1]["txs"]]


def commit_reference(log: CommitLog, blocks: int = TIP) -> Engine:
    """Write the chain, or its first blocks; the engine may go on with it."""
    engine = new_engine(store=log)
    engine.init_chain(chain_id=CHAIN["chain_id"], validators=GENESIS)
    for height in range(1, blocks + 1):
        engine.block(*txs_of(height))
    return engine
