"""What a demo's sender and its subscriber share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from scripts import child
from scripts.engines import home


@dataclass(slots=True)
class _Sent:
    at: float
    committed: trio.Event = field(default_factory=trio.Event)


class InFlight:
    """The transactions that were sent and have not come back; `enough` is set after `count`."""

    def __init__(self, count: int | None) -> None:
        self.delays: list[float] = []
        """In seconds, of those that have come back."""
        self.enough = trio.Event()
        self.sending = trio.CancelScope()
        self._count = count
        self._sent: dict[str, _Sent] = {}

    def send(self, key: str) -> trio.Event:
        """Note that a transaction is sent now; the event is set when it has come back."""
        sent = self._sent[key] = _Sent(trio.current_time())
        return sent.committed

    def came(self, key: str, how: str) -> str:
        """Note that a message about a transaction has come; in words, how long after it was sent.

        `how` it was sent is one of the words.
        """
        note = ""
        sent = self._sent.pop(key, None)
        if sent is not None:
            delay = trio.current_time() - sent.at
            self.delays.append(delay)
            sent.committed.set()
            note = f"  {delay * 1000:.0f} ms after it was {how}"
        if self._count is not None and len(self.delays) >= self._count:
            self.enough.set()
        return note

    async def guard(self, process: child.Child) -> None:
        """Raise ChildEnded if that process ends too early."""
        await process.wait()
        if not self.sending.cancel_called:
            raise child.ChildEnded(process)


async def receive(
    stream: WebSocketConnection, show: Callable[[dict[str, Any]], None]
) -> None:
    """Show each message as it arrives, until the other side closes the stream."""
    while True:
        try:
            show(json.loads(await stream.get_message()))
        except ConnectionClosed:
            return


def choose_ports(usual: list[int]) -> list[int]:
    """The usual ports, or free ones for all if any of the usual is taken."""
    taken = [str(port) for port in usual if not home.is_free(port)]
    if not taken:
        return usual
    print(f"using other ports, because these are taken: {', '.join(taken)}", flush=True)
    return home.free_ports(len(usual))
