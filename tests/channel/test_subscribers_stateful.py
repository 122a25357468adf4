"""Whatever is committed, read, stalled, broken off, resumed and restarted, and in which order, also
while a block is being given out: what a subscriber got, joined over its connections, is the log.

There are two nodes of one chain, one of which may be behind. Their side is real: the commit
log on disk, the channel, the WebSocket door on a socket. What should come is worked out
from the history that is committed, not from the log.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
)
from trio.testing import wait_all_tasks_blocked

from tests.guest_loop import GuestLoop
from tests.history import asset_of
from tests.ledger.chains import ALICE, BOB
from tests.served_node import ServedNode
from tests.wandering_client import WanderingClient
from trio_stream.channel import waiters
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.stream.position import Position
from trio_stream.stream.request import Asked
from trio_stream.stream.selection import PLAIN

PATHS = [
    "valid_transactions",
    "valid_transactions?detail=position",
    "valid_transactions?detail=full",
    "valid_transactions?operation=TRANSFER",
    f"valid_transactions?asset_id={asset_of(2)['id']}&detail=position",
    f"valid_transactions?public_key={ALICE.public}&detail=position",
    f"valid_transactions?public_key={BOB.public}&operation=CREATE&detail=full",
    "valid_blocks?detail=position",
    "valid_blocks?detail=position&empty_blocks=1",
    "refused_transactions?detail=position",
]
# Where a stream begins by these; None: at the tip.
BEGINNINGS: list[tuple[dict[str, str], Position | None]] = [
    ({}, None),
    ({"after": "earliest"}, Position.end_of(0)),
    ({"from_height": "2"}, Position.end_of(1)),
    ({"after": "3"}, Position.end_of(3)),
]
NODES = st.sampled_from([0, 0, 1])
# Of the event loop, between a commit and what comes in the middle of its pass.
STEPS = st.integers(0, 20)
CROWD = 20
"""Who waits at each node besides, and takes all that it is given, so that passes are long."""


async def _listen_to_all(channel: CommitChannel) -> None:
    take_all = lambda frames, offset: None  # noqa: E731
    now = (await channel.begin(Asked(selection=PLAIN))).after
    with channel.clone(now, send_nowait=take_all) as clone:
        with suppress(trio.EndOfChannel):
            while True:
                await clone.receive()


class Subscribers(RuleBasedStateMachine):
    """Small buffers and a small tail, so that clients fall behind often; passes over those who
    wait let all others run after each of them.
    """

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(waiters, "_PASS_SECONDS", -1.0)
        self._patch.setattr(waiters, "_LOOK_EVERY", 1)
        self.loop = GuestLoop()
        self.nodes = [
            ServedNode(Path(self._directory.name) / name, tail_bytes=3_000)
            for name in ("one", "other")
        ]
        self.all: list[WanderingClient] = []
        for node in self.nodes:
            self.loop.do(partial(self._start, node))

    async def _start(self, node: ServedNode) -> None:
        await self.loop.nursery.start(node.run)
        assert node.channel is not None
        for _ in range(CROWD):
            self.loop.nursery.start_soon(_listen_to_all, node.channel)

    async def _stop(self, node: ServedNode) -> None:
        node.stopping.set()
        with trio.fail_after(30):
            while not node.stopped.is_set():
                for client in self.all:
                    await client.read(1 << 30)
                with trio.move_on_after(0.001):
                    await node.stopped.wait()

    @initialize(target=clients, paths=st.permutations(PATHS))
    def begin(self, paths: list[str]) -> Any:
        return multiple(
            *(self._subscribe(0, path, False, {}, None) for path in paths[:5])
        )

    @rule(
        target=clients,
        number=NODES,
        path=st.sampled_from(PATHS),
        notices=st.booleans(),
        beginning=st.sampled_from(BEGINNINGS),
    )
    def subscribe(
        self,
        number: int,
        path: str,
        notices: bool,
        beginning: tuple[dict[str, str], Position | None],
    ) -> WanderingClient:
        return self._subscribe(number, path, notices, *beginning)

    def _subscribe(
        self,
        number: int,
        path: str,
        notices: bool,
        parameters: dict[str, str],
        start: Position | None,
        *,
        steps: int | None = None,
    ) -> WanderingClient:
        node, client = self.nodes[number], WanderingClient(path, notices=notices)
        self.all.append(client)

        async def job() -> None:
            if steps is not None:
                await self._begin_a_pass(number, steps)
            await client.connect(node, parameters)

        self.loop.do(job)
        assert client.start == (start or Position.end_of(node.height))
        return client

    @rule(
        number=NODES,
        times=st.sampled_from([1, 2, 8, 20]),
        blocks=st.sampled_from([1, 1, 3, 9]),
    )
    def commit(self, number: int, times: int, blocks: int) -> None:
        async def job() -> None:
            for _ in range(times):
                self.nodes[number].commit(blocks)
                # Time for those who wait to be served in place, and to fall behind.
                await wait_all_tasks_blocked()

        self.loop.do(job)

    @rule(number=NODES, client=clients, steps=STEPS)
    def leave_during_a_pass(
        self, number: int, client: WanderingClient, steps: int
    ) -> None:
        async def job() -> None:
            await self._begin_a_pass(number, steps)
            client.break_off()

        self.loop.do(job)

    @rule(
        target=clients,
        number=NODES,
        path=st.sampled_from(PATHS),
        beginning=st.sampled_from(BEGINNINGS),
        steps=STEPS,
    )
    def join_during_a_pass(
        self,
        number: int,
        path: str,
        beginning: tuple[dict[str, str], Position | None],
        steps: int,
    ) -> WanderingClient:
        return self._subscribe(number, path, False, *beginning, steps=steps)

    @rule(number=NODES, client=clients, steps=STEPS)
    def seek_during_a_pass(
        self, number: int, client: WanderingClient, steps: int
    ) -> None:
        """It goes on behind what it has read, while it is given what comes next."""

        async def job() -> None:
            await self._begin_a_pass(number, steps)
            client.break_off()
            await client.go_on(self.nodes[number])

        self.loop.do(job)

    async def _begin_a_pass(self, number: int, steps: int) -> None:
        self.nodes[number].commit(1)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()

    @rule(client=clients, most=st.sampled_from([1, 3, 20, 1000]))
    def read(self, client: WanderingClient, most: int) -> None:
        self.loop.do(partial(client.read, most))

    @rule()
    def all_read(self) -> None:
        """So that many wait again."""

        async def job() -> None:
            for client in self.all:
                await client.read(10_000)

        self.loop.do(job)

    @rule(client=clients)
    def break_off(self, client: WanderingClient) -> None:
        async def job() -> None:
            client.break_off()
            await trio.lowlevel.checkpoint()

        self.loop.do(job)

    @rule(client=clients, number=NODES, to_tip=st.booleans())
    def resume(self, client: WanderingClient, number: int, to_tip: bool) -> None:
        client.break_off()
        self.loop.do(partial(client.go_on, self.nodes[number], to_tip=to_tip))

    @rule(client=clients, number=NODES, limit=st.sampled_from([1, 5, 100]))
    def pull(self, client: WanderingClient, number: int, limit: int) -> None:
        client.break_off()
        self.loop.do(partial(client.pull, self.nodes[number], limit))

    @rule(client=clients, number=NODES, most=st.sampled_from([3, 5, 1000]))
    def listen(self, client: WanderingClient, number: int, most: int) -> None:
        client.break_off()
        self.loop.do(partial(client.listen, self.nodes[number], most))

    @rule(number=NODES, orderly=st.booleans(), often=st.integers(0, 3))
    def restart(self, number: int, orderly: bool, often: int) -> None:
        if often:
            return

        async def job() -> None:
            if not orderly:
                for client in self.all:
                    client.break_off()
            await self._stop(self.nodes[number])
            await self._start(self.nodes[number])

        self.loop.do(job)

    def teardown(self) -> None:
        try:
            if not self.loop.over:
                self.loop.do(self._everybody_catches_up)
        finally:
            for client in self.all:
                client.break_off()
            self.loop.close()
            self._patch.undo()
            self._directory.cleanup()

    async def _everybody_catches_up(self) -> None:
        highest = max(self.nodes, key=lambda node: node.height)
        with trio.fail_after(60):
            for client in self.all:
                client.break_off()  # what is on the way to it comes again
                await client.go_on(highest)
                while len(client.got) < len(client.owed(highest.height)):
                    await client.read(1000)
                await client.read(10)  # nothing beyond it comes
                assert client.got == client.owed(highest.height), client.path
                client.break_off()


TestSubscribers = pytest.mark.slow(Subscribers.TestCase)
TestSubscribers.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None
)
