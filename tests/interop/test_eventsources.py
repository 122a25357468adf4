"""The EventSource clients that npm has follow a stream, each in a process of its own on Node.

Each says where it stood in its own way: in the header, or in one spelling or another in the query.
Between client and node is a line that is cut while events come.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import interop_env
from scripts.signing import Document, create, encode
from tests.instant_node import STREAM_PATH, instant_node
from tests.ledger.chains import ALICE
from tests.line import Line

pytestmark = pytest.mark.interop

CLIENTS = (
    "@microsoft/fetch-event-source",
    "event-source-polyfill",
    "eventsource-2",
    "eventsource-3",
    "eventsource-4",
)
LOCK = interop_env.LOCKS / "eventsources"
PROGRAM = (LOCK / "follow.mjs").read_text(encoding="utf-8")
LONGEST = 600.0
"""Seconds for one test; it waits for what is to come, and for no time to pass."""


@pytest.fixture(scope="session")
def folder() -> Path:
    try:
        return interop_env.event_sources()
    except interop_env.NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_stream.http.events._RETRY_MILLISECONDS", (20, 60))


class Follower:
    """A running client, and what it has reported."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._data = b""
        self.events: list[list[str]] = []
        self.stopped = False

    async def until(self, count: int) -> None:
        """Wait until so many events have come."""
        while len(self.events) < count:
            assert await self._report(), f"it ended after {self.events}"

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        while await self._report():
            pass
        return await self._process.wait()

    async def _report(self) -> bool:
        assert self._process.stdout is not None
        while b"\n" not in self._data:
            more = await self._process.stdout.receive_some()
            if not more:
                return False
            self._data += more
        line, _, self._data = self._data.partition(b"\n")
        match json.loads(line):
            case {"event": event}:
                self.events.append(event)
            case "stopped":
                self.stopped = True
        return True


@asynccontextmanager
async def following(folder: Path, name: str, url: str) -> AsyncIterator[Follower]:
    command = ["node", "--input-type=module", "--eval", PROGRAM, name, url]
    with trio.fail_after(LONGEST):
        process = await trio.lowlevel.open_process(
            command, cwd=folder, stdout=subprocess.PIPE
        )
        try:
            yield Follower(process)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


def test_these_are_the_clients_that_are_installed() -> None:
    wanted = json.loads((LOCK / "package.json").read_text())["dependencies"]
    assert sorted(wanted) == sorted(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
async def test_it_resumes_without_gap_or_repeat(
    name: str, folder: Path, tmp_path: Path
) -> None:
    async with instant_node(tmp_path) as node:
        line = Line(node.http_url)
        async with line.listening() as port:
            url = f"http://127.0.0.1:{port}{STREAM_PATH}?after=earliest"
            async with following(folder, name, url) as follower:
                committed: list[str] = []
                for block in range(4):
                    documents = some(3, block)
                    node.block(*map(encode, documents))
                    committed += [each["id"] for each in documents]
                    await follower.until(len(committed))
                    line.cut()
                assert ids(follower) == committed
                # Each connection but the first says where it goes on.
                assert len(line.heads) >= 4
                assert all(b"lasteventid" in letters(head) for head in line.heads[1:])
                assert b"lasteventid" not in letters(line.heads[0])


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("query", "event"), [("after=" + "0" * 64, "refused"), ("until=1", "end")]
)
async def test_it_stops_at_a_refusal_and_at_the_end(
    query: str, event: str, name: str, folder: Path, tmp_path: Path
) -> None:
    async with instant_node(tmp_path) as node:
        line = Line(node.http_url)
        async with line.listening() as port:
            url = f"http://127.0.0.1:{port}{STREAM_PATH}?{query}"
            async with following(folder, name, url) as follower:
                assert await follower.ended() == 0
        assert [kind for kind, _, _ in follower.events] == [event]
        assert follower.stopped
        assert len(line.heads) <= 2


def some(count: int, block: int) -> list[Document]:
    return [create(ALICE, metadata={"n": n, "block": block}) for n in range(count)]


def ids(follower: Follower) -> list[Any]:
    return [json.loads(data)["transaction_id"] for _, data, _ in follower.events]


def letters(head: bytes) -> bytes:
    return head.lower().replace(b"-", b"").replace(b"_", b"")
