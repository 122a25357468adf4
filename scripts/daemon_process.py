"""The daemon as a child process, started as any user would start it.

It logs one line per door once that listens; only from these lines does a caller learn that it is up
and where.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import trio

from scripts import child, http_client

DOORS = frozenset({"abci", "stream", "api"})


class Startable(Protocol):
    """How a daemon is started."""

    @property
    def home(self) -> Path: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def doors(self) -> frozenset[str]: ...

    def command(self) -> list[str]:
        """What starts it."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a daemon lives and listens; port 0 lets it choose."""

    home: Path
    abci: str = "tcp://127.0.0.1:0"
    stream: str = "127.0.0.1:0"
    api: str = "127.0.0.1:0"
    node: str = "http://127.0.0.1:26657"
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    """A program that runs it, with that program's arguments."""
    doors: frozenset[str] = DOORS

    def command(self) -> list[str]:
        """What starts it."""
        return [
            *self.prefix,
            sys.executable,
            "-m",
            "trio_stream",
            *self.arguments_of_run(),
        ]

    def arguments_of_run(self) -> list[str]:
        """What stands behind the program's name."""
        return [
            "run",
            *("--home", str(self.home)),
            *("--abci", self.abci),
            *("--stream", self.stream),
            *("--api", self.api),
            *("--node", self.node),
            # For `start_daemon`, and for whoever reads the file.
            *("--log-format", "human"),
            *self.arguments,
        ]


class RunningDaemon(child.Child):
    """A daemon's process, and the addresses of its doors."""

    def __init__(self, process: child.Child, doors: dict[str, str]) -> None:
        super().__init__(process.name, process.process, process.log, process.grace)
        self._doors = doors

    @property
    def abci(self) -> str:
        return self._doors["abci"]

    @property
    def stream(self) -> str:
        """The WebSocket address to subscribe to."""
        return self._doors["stream"]

    @property
    def api(self) -> str:
        return self._doors["api"]

    @property
    def api_port(self) -> int:
        return urlsplit(self.api).port or 80

    @property
    def api_host(self) -> str:
        # A name may stand for an IPv6 address too, which is not tried here.
        host = urlsplit(self.api).hostname or "localhost"
        return "127.0.0.1" if host == "localhost" else host

    async def http(
        self, method: str, target: str, body: bytes = b""
    ) -> http_client.Response:
        """Make one request to the HTTP door, on its own connection."""
        return await http_client.fetch(
            self.api_host, self.api_port, method, target, body
        )

    async def post(self, raw: bytes, mode: str = "async") -> http_client.Response:
        return await self.http("POST", f"/api/v1/transactions?mode={mode}", raw)


async def start_daemon(
    nursery: trio.Nursery, settings: Startable, *, seconds: float = 240
) -> RunningDaemon:
    """Run the daemon as a task of `nursery`; returns once all its doors listen.

    Raises ChildEnded if it exits before that, and TimeoutError after that many seconds.
    """
    doors: dict[str, str] = {}
    listening = trio.Event()

    def read(line: str) -> None:
        if found := re.search(r"\blistening (\w+) ([^\s\"]+)", line):
            # The first address of a door counts; a second one is the same for IPv6.
            doors.setdefault(found[1], found[2])
            if doors.keys() >= settings.doors:
                listening.set()

    settings.home.mkdir(parents=True, exist_ok=True)
    process = await child.start(
        nursery,
        "trio_stream",
        settings.command(),
        log=settings.home.parent / f"{settings.home.name}.log",
        environment=child.environment(settings.environment),
        on_line=read,
    )
    with trio.move_on_after(seconds):
        await child.while_alive(process, listening.wait)
        return RunningDaemon(process, doors)
    raise TimeoutError(f"the daemon did not open its doors within {seconds:g} seconds")


@asynccontextmanager
async def run_daemon(settings: Startable) -> AsyncIterator[RunningDaemon]:
    """A daemon that listens while the block runs, and has exited after it."""
    async with child.open_nursery() as nursery:
        yield await start_daemon(nursery, settings)
