"""How far the engine is by its own account: its RPC's `status`, asked when somebody wants to know.

It is asked at most once a second however many ask here, on a connection of its own, so that neither
a flood of transactions nor an engine that hangs makes an answer wait.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import trio

from trio_stream.engine.rpc import EngineUnavailable, RpcConnections

FRESH_SECONDS: Final = 1.0
"""An answer counts for so long, a failure too."""
PATIENCE: Final = 1.0
"""Seconds for the engine to answer; it has the answer at hand."""
_TEXT_LENGTH = 40
_CALL = b'{"method": "status", "jsonrpc": "2.0", "id": "status", "params": {}}'


class EngineStatus(NamedTuple):
    """What the engine says about itself."""

    height: int
    catching_up: bool
    version: str


class SyncStatus:
    """Asks one engine."""

    def __init__(self, url: str) -> None:
        self._connections = RpcConnections(url, max_connections=1, timeout=PATIENCE)
        # Whoever waits for it finds the answer of the one before.
        self._asking = trio.Lock()
        self._asked_at = -FRESH_SECONDS
        self._newest: EngineStatus | None = None

    async def newest(self) -> EngineStatus | None:
        """What the engine says, at most a second old; None if it does not answer."""
        async with self._asking:
            if trio.current_time() - self._asked_at >= FRESH_SECONDS:
                self._newest = await self._ask()
                self._asked_at = trio.current_time()
            return self._newest

    async def aclose(self) -> None:
        """Close the connection if it is idle."""
        await self._connections.aclose()

    async def _ask(self) -> EngineStatus | None:
        try:
            text, _ = await self._connections.post(_CALL)
        except EngineUnavailable:
            return None
        return read_status(text)


def read_status(text: bytes) -> EngineStatus | None:
    """The answer to `status`; None if it is something else."""
    try:
        said: Any = json.loads(text)
        result = said["result"]
        sync = result["sync_info"]
        height = int(sync["latest_block_height"])
        version = str(result["node_info"]["version"])[:_TEXT_LENGTH]
        return EngineStatus(height, sync["catching_up"] is True, version)
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
