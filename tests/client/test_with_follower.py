"""All clients and a real follower, which is killed and whose connections break anywhere."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from scripts import child
from scripts.daemon_process import start_daemon
from scripts.follower_process import FollowerSettings
from tests.client.breaking_line import BreakingLine
from tests.client.followed_chain import (
    BusyChain,
    Holds,
    Said,
    everything,
    owed,
    said,
)
from tests.client.test_javascript import CLIENT, FOLLOW, NODE
from tests.follower.fake_node import FakeNode
from tests.scripted_server import Kept
from trio_stream.client import Options, iterate, open_stream

DEADLINE = 300
LAST = 30
KILLS = 4
BREAKS = (20_000, 1_000_000, None)
"""Bytes after which a connection breaks, at most."""


@dataclass
class Subscriber:
    """One client, and what it has got."""

    follow: Callable[[Subscriber, str, Path], Awaitable[None]]
    stream: str = "events"
    options: Mapping[str, Any] = field(default_factory=dict)
    holds: Holds = everything
    got: list[Said] = field(default_factory=list)

    def asking(self, **more: Any) -> Options:
        asked = {"stream": self.stream, "after": "earliest", "until": LAST}
        return cast(Options, asked | dict(self.options) | more)


async def stays(client: Subscriber, url: str, home: Path) -> None:
    """As long as it takes; connections are the library's business."""
    async with open_stream(url, **client.asking()) as events:
        async for event in events:
            client.got.append(said(event))


class Died(Exception):
    """So did the program."""


class Counting(Kept):
    """A checkpoint that knows how many messages its position stands for."""

    whole = 0
    """Messages up to the last one that had a position."""
    count = 0

    def save(self, position: str) -> None:
        self.position, self.count = position, self.whole


async def dies(client: Subscriber, url: str, home: Path) -> None:
    """A program that ends anywhere, and then goes on at what it has saved."""
    chance = random.Random(client.stream)
    kept = Counting()
    while True:
        # What was not saved comes again.
        kept.whole = kept.count
        del client.got[kept.count :]
        try:
            await _lives(client, url, kept, chance.randrange(1, 4_000))
            return
        except Died:
            pass


async def _lives(client: Subscriber, url: str, kept: Counting, left: int) -> None:
    async with open_stream(url, **client.asking(checkpoint=kept)) as events:
        async for event in events:
            client.got.append(said(event))
            if "position" in event:
                kept.whole = len(client.got)
            left -= 1
            if not left:
                raise Died


async def blocks(client: Subscriber, url: str, home: Path) -> None:
    def run() -> None:
        with iterate(url, **client.asking()) as events:
            client.got.extend(map(said, events))

    await trio.to_thread.run_sync(run)


async def tails(client: Subscriber, url: str, home: Path) -> None:
    asked = client.asking()
    arguments = ["--state", str(home / f"state-{client.stream}"), "--json", "--quiet"]
    for name, value in asked.items():
        arguments += [f"--{name}", str(value)]
    command = [sys.executable, "-m", "trio_stream", "tail", url, *arguments]
    done = await trio.run_process(
        command, capture_stdout=True, env=child.environment({})
    )
    client.got.extend(said(json.loads(line)) for line in done.stdout.splitlines())


async def runs_on_node(client: Subscriber, url: str, home: Path) -> None:
    assert NODE is not None
    asked = json.dumps({"urls": url, "options": client.asking()})
    command = [NODE, "--experimental-websocket", "--no-warnings", str(FOLLOW)]
    done = await trio.run_process(
        [*command, CLIENT.as_uri(), asked],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "end" in lines[-1], lines[-1]
    client.got.extend(said(line["event"]) for line in lines if "event" in line)


def large(kind: str, attributes: Mapping[str, str]) -> bool:
    return int(attributes["number"]) >= 700


def to_r1(kind: str, attributes: Mapping[str, str]) -> bool:
    return kind == "transfer" and attributes["recipient"] == "r1"


LARGE = {"query": "big.number >= 700 OR transfer.number >= 700"}
TO_R1 = {"recipient": "r1"}
IN_ONE = {"query": "transfer.recipient = 'r1' AND transfer.number > 0"}


def subscribers() -> list[Subscriber]:
    many = [
        *[Subscriber(stays), Subscriber(stays, "transactions")],
        *[Subscriber(stays, "blocks"), Subscriber(stays, options=LARGE, holds=large)],
        Subscriber(stays, options={"detail": "full"}),
        Subscriber(stays, "transactions", {"detail": "full"}),
        Subscriber(stays, options={"notices": True}),
        Subscriber(stays, options=TO_R1, holds=to_r1),
        Subscriber(stays, "transactions", TO_R1, to_r1),
        Subscriber(stays, options=IN_ONE | {"match": "event"}, holds=to_r1),
        *[
            Subscriber(dies),
            Subscriber(dies, "transactions"),
            Subscriber(dies, "blocks"),
        ],
        Subscriber(dies, options=LARGE, holds=large),
        *[Subscriber(blocks), Subscriber(blocks, options=TO_R1, holds=to_r1)],
        *[Subscriber(tails), Subscriber(tails, "blocks")],
    ]
    if NODE is not None:
        many += [
            Subscriber(runs_on_node),
            Subscriber(runs_on_node, options=LARGE, holds=large),
        ]
    return many


class Source:
    """A node with a chain that grows while somebody follows it."""

    def __init__(self) -> None:
        self.chain = BusyChain(1)
        self._node = FakeNode(self.chain)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(  # noqa: ASYNC113  # the socket listens already
                trio.serve_listeners, self._serve, [listener]
            )
            yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.abc.Stream) -> None:
        # The follower is killed now and then.
        with suppress(OSError, trio.BrokenResourceError):
            await self._node(stream)

    async def grow(self, last: int) -> None:
        while self.chain.last < last:
            self.chain.grow()
            with suppress(OSError, trio.BrokenResourceError):
                await self._node.announce()


@pytest.mark.slow
async def test_however_often_it_is_killed_each_client_gets_each_message_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trio_stream.client.resume.FIRST_DELAY", 0.01)
    monkeypatch.setattr("trio_stream.client.resume.LONGEST_DELAY", 0.5)
    chance = random.Random(19)

    def bytes_until_break() -> int | None:
        most = chance.choice(BREAKS)
        return most and chance.randrange(1, most)

    source, line, clients = Source(), BreakingLine(bytes_until_break), subscribers()
    with trio.fail_after(DEADLINE):
        async with source.served() as node, line.listening() as url:
            settings = FollowerSettings(
                home=tmp_path / "home", node=[node], start="earliest"
            )
            async with child.open_nursery() as processes:
                done = trio.Event()
                processes.start_soon(follow_all, clients, url, tmp_path, done)
                for round_ in range(1, KILLS + 1):
                    follower = await start_daemon(processes, settings)
                    line.lead_to(follower.stream)
                    before = all_owed(clients, source)
                    await source.grow(LAST * round_ // KILLS)
                    more = all_owed(clients, source) - before
                    if round_ < KILLS:
                        part = chance.uniform(0.1, 0.9)
                        await until_received(clients, before + int(part * more))
                        await follower.kill()
                await done.wait()
                processes.cancel_scope.cancel()
    assert line.breaks > 0
    for client in clients:
        assert client.got == owed(source.chain, client.stream, client.holds), client


async def follow_all(
    clients: list[Subscriber], url: str, home: Path, done: trio.Event
) -> None:
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(client.follow, client, url, home)
    done.set()


def watched(clients: list[Subscriber]) -> list[Subscriber]:
    """Those whose messages are seen as they come."""
    return [client for client in clients if client.follow is stays]


def all_owed(clients: list[Subscriber], source: Source) -> int:
    return sum(
        len(owed(source.chain, client.stream, client.holds))
        for client in watched(clients)
    )


async def until_received(clients: list[Subscriber], count: int) -> None:
    async def is_received() -> bool | None:
        await trio.lowlevel.checkpoint()
        return sum(len(client.got) for client in watched(clients)) >= count or None

    await child.poll(is_received, seconds=DEADLINE, what="messages")
