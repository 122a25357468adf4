"""What can happen to a node: its programs are killed, stopped or frozen, or its links are cut.

Each incident ends by itself: what was killed is started again by `Node`, what was frozen or cut
goes on after some seconds.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from scripts import child
from scripts.devnet.isolation import Isolation, Link
from scripts.devnet.node import Node

FROZEN = (1.0, 6.0)
"""For how many seconds a program is frozen. An engine's callers give up after 10."""
CUT = (2.0, 25.0)
"""For how many seconds a link is cut. Engines give up a silent peer after 45, clients after 5."""

Incident = Callable[[Node], Awaitable[None]]


class Incidents:
    """All kinds of incidents, in random order; `done` counts them by name."""

    def __init__(self, chance: random.Random, isolation: Isolation | None) -> None:
        self.done: Counter[str] = Counter()
        self._chance = chance
        self._isolation = isolation
        self._kinds: dict[str, Incident] = {
            "daemon killed": self._kill_daemon,
            "engine killed": self._kill_engine,
            "both killed": self._kill_both,
            "daemon stopped": self._stop_daemon,
            "daemon frozen": self._freeze_daemon,
            "engine frozen": self._freeze_engine,
        }
        if isolation is not None:
            self._kinds |= {
                "cut off from its peers": self._cut_from_peers,
                "cut off from its clients": self._cut_from_clients,
                "cut off from all": self._cut_from_all,
            }

    def choose(self) -> Iterator[str]:
        """Kinds without end: all of them in random order, and again in another one."""
        while True:
            names = list(self._kinds)
            self._chance.shuffle(names)
            yield from names

    async def happen(self, kind: str, node: Node) -> None:
        """Let it happen, and end."""
        await self._kinds[kind](node)
        self.done[kind] += 1

    async def _kill_daemon(self, node: Node) -> None:
        _signal(node.daemon, signal.SIGKILL)
        await self._pause(0, 2)

    async def _kill_engine(self, node: Node) -> None:
        _signal(node.engine, signal.SIGKILL)
        await self._pause(0, 2)

    async def _kill_both(self, node: Node) -> None:
        _signal(node.daemon, signal.SIGKILL)
        _signal(node.engine, signal.SIGKILL)
        await self._pause(0, 2)

    async def _stop_daemon(self, node: Node) -> None:
        _signal(node.daemon, signal.SIGTERM)
        await self._pause(0, 2)

    async def _freeze_daemon(self, node: Node) -> None:
        with _frozen(node.daemon):
            await self._pause(*FROZEN)

    async def _freeze_engine(self, node: Node) -> None:
        with _frozen(node.engine):
            await self._pause(*FROZEN)

    async def _cut_from_peers(self, node: Node) -> None:
        await self._cut(node, [Link.PEERS])

    async def _cut_from_clients(self, node: Node) -> None:
        await self._cut(node, [Link.CLIENTS])

    async def _cut_from_all(self, node: Node) -> None:
        await self._cut(node, list(Link))

    async def _cut(self, node: Node, links: list[Link]) -> None:
        assert self._isolation is not None
        for link in links:
            await self._isolation.cut(node.number, link)
        try:
            await self._pause(*CUT)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                for link in links:
                    await self._isolation.mend(node.number, link)

    async def _pause(self, least: float, most: float) -> None:
        await trio.sleep(self._chance.uniform(least, most))


def _signal(program: child.Child | None, number: signal.Signals) -> None:
    if program is not None:
        program.send_signal(number)


@contextmanager
def _frozen(program: child.Child | None) -> Iterator[None]:
    _signal(program, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(program, signal.SIGCONT)
