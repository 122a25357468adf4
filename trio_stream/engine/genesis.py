"""The engine's genesis file, asked of its RPC: what InitChain would say.

An engine that restores a snapshot skips InitChain. Its RPC answers before it begins.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from trio_stream.abci.messages import InitChain, Time, ValidatorUpdate
from trio_stream.engine.rpc import EngineUnavailable, RpcConnections

PATIENCE: Final = 4.0
"""Seconds for the engine to answer. A thread waits for it, and so might a stop."""
GENESIS_LIMIT: Final = 8 << 20
"""Bytes of an answer: thousands of validators take a megabyte."""
_CALL = b'{"method": "genesis", "jsonrpc": "2.0", "id": "genesis", "params": {}}'

# A day and a time, a fraction of a second, and a zone.
_TIME = re.compile(r"([0-9T:-]{19})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})", re.A)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def read_genesis(url: str) -> InitChain:
    """What the genesis file of the engine at `url` says. Raises `EngineUnavailable`."""
    connections = RpcConnections(
        url, max_connections=1, timeout=PATIENCE, answer_limit=GENESIS_LIMIT
    )
    try:
        text, _ = await connections.post(_CALL)
    finally:
        await connections.aclose()
    found = parse_genesis(text)
    if found is None:
        raise EngineUnavailable(
            f"{url}: the answer to 'genesis' cannot be understood", False
        )
    return found


def parse_genesis(text: bytes) -> InitChain | None:
    """The answer to `genesis`; None if it is something else.

    The validators are in the file's order, which is not that of InitChain.
    """
    try:
        genesis: Any = json.loads(text)["result"]["genesis"]
        state = genesis.get("app_state")
        return InitChain(
            time=_time(genesis["genesis_time"]),
            chain_id=str(genesis["chain_id"]),
            validators=tuple(map(_validator, genesis["validators"] or ())),
            app_state=b"" if state is None else json.dumps(state).encode(),
            initial_height=int(genesis.get("initial_height") or 0) or 1,
            signed=False,  # it does not say
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _validator(validator: Any) -> ValidatorUpdate:
    key = validator["pub_key"]
    # "tendermint/PubKeyEd25519"; in InitChain "ed25519".
    name = key["type"].rpartition("PubKey")[2].replace("_", "").lower()
    data = base64.b64decode(key["value"], validate=True)
    return ValidatorUpdate(name, data, int(validator["power"]))


def _time(text: str) -> Time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not a time")
    day, fraction, zone = found.groups()
    since = datetime.fromisoformat(day + zone) - _EPOCH
    nanos = int((fraction or "").ljust(9, "0"))
    return Time(since.days * 86_400 + since.seconds, nanos)
