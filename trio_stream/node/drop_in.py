"""What a follower has for programs that speak the engine's JSON-RPC, made of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio

from trio_stream.config import FollowConfig
from trio_stream.follower.nodes import Node
from trio_stream.follower.pace import default_rate
from trio_stream.jsonrpc.conversation import Patience
from trio_stream.jsonrpc.door import DropIn, Log
from trio_stream.jsonrpc.over_http import OverHttp
from trio_stream.jsonrpc.passed_calls import PassedCalls
from trio_stream.jsonrpc.passing import Passing

WEBSOCKET: Final = "/websocket"
"""Where the engine has it."""


@dataclass(frozen=True, slots=True)
class DropInDoor:
    """The door, and what it passes to nodes."""

    door: DropIn
    over_http: OverHttp
    passing: Passing

    async def run(  # noqa: ASYNC128  # the door says that it has started
        self,
        *,
        stop: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve clients until `stop` is set and they have what there is."""
        try:
            await self.door.run(stop=stop, task_status=task_status)
        finally:
            await self.passing.aclose()


def open_drop_in(config: FollowConfig, log: Log, nodes: Sequence[Node]) -> DropInDoor:
    """The door to a log whose chain these nodes are of."""
    rates = [default_rate(node.address.host) for node in nodes]
    rate = min(rates) if config.rate is None else config.rate
    passing = Passing([node.address for node in nodes], rate=rate)
    patience = Patience(
        ping_interval=config.ping_interval,
        pong_timeout=config.pong_timeout,
        stall_timeout=config.stall_timeout,
    )
    door = DropIn(log, PassedCalls(passing), patience=patience)
    return DropInDoor(door, OverHttp(passing), passing)
