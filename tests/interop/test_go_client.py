"""CometBFT's own Go client, unchanged, follows a chain and asks about it at a follower."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import child, interop_env
from scripts.daemon_process import run_daemon
from scripts.engines import home
from scripts.engines.build import Release
from scripts.engines.process import RunningEngine
from scripts.follower_process import FollowerSettings
from tests.engines.site import PATIENCE, settled
from tests.engines.test_cometbft import generation_of, key_value_store
from tests.engines.test_dropin import following
from tests.interop import conftest as fixtures
from trio_stream.cometbft.queries import Generation

pytestmark = [pytest.mark.interop, pytest.mark.engine]

engine = fixtures.engine
ENGINES = ("cometbft-0.34.33", "cometbft-0.37.18", "cometbft-0.38.26", "cometbft-1.0.1")
"""The client is of 0.38; what the others say in its words is read as well."""

COUNT = 60
"""Twelve times as many subscriptions of one client as the engine has room for by default."""
LIVES = 2
LONGEST = 600.0
TX = "tm.event='Tx'"
HEADER = "tm.event='NewBlockHeader'"

Said = dict[str, Any]


@pytest.fixture(scope="session")
def program() -> Path:
    try:
        return interop_env.go_client()
    except interop_env.NotHere as error:
        pytest.skip(str(error))


async def test_the_go_client_is_told_the_same(
    engine: Release, program: Path, tmp_path: Path
) -> None:
    async with following(engine, tmp_path) as (running, follower):
        node = f"http://127.0.0.1:{running.rpc.port}"
        with trio.fail_after(LONGEST):
            ran = await trio.run_process(
                [program, "use", str(COUNT), node, follower.api],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    assert (ran.stderr.decode(), ran.returncode) == ("", 0)
    said = json.loads(ran.stdout)
    assert set(said["codes"][1:]) == {0}
    at_engine, here = said["asked"]
    if generation_of(engine) is Generation.UP_TO_0_37:
        # Go says which member it does not know, the first in no order.
        assert all(
            "unknown field" in each.pop("check_tx")["error"] for each in said["asked"]
        )
    else:
        assert {name for name, each in here.items() if "error" in each} == {
            "no block",
            "no query",
        }
    assert here == at_engine
    heights = range(said["first"] + 1, said["last"] + 1)
    at_engine, here = [
        {query: within(heights, events) for query, events in told.items()}
        for told in said["told"]
    ]
    assert here == at_engine
    keys = [f"k{number}=v" for number in range(COUNT)]
    assert {*keys, "last=1"} <= set(txs_of(here[TX]))
    many = {query: txs_of(events) for query, events in said["many"].items()}
    assert many.pop(HEADER) == []
    assert sorted(many.values()) == sorted([key] for key in keys)
    changed = {query: txs_of(events)[-1:] for query, events in said["changed"].items()}
    assert changed == {
        TX: ["changed=1"],
        "app.key = 'changed'": ["changed=2"],
        "tm.event='Tx' AND app.key='changed'": ["changed=3"],
        HEADER: [],
        "tm.event = 'NewBlockHeader'": [],
    }


def within(heights: range, events: list[Said]) -> list[Said]:
    """Those of these blocks, and those that do not say which block they are of."""
    return [each for each in events if each["height"] in (0, *heights)]


def txs_of(events: list[Said]) -> list[str]:
    return [each["tx"] for each in events if each["tx"]]


async def test_the_go_client_comes_again_and_loses_nothing_with_after(
    engine: Release, program: Path, tmp_path: Path
) -> None:
    heard = Heard()
    async with key_value_store(engine, tmp_path) as running, child.open_nursery() as go:
        stream, api = home.free_ports(2)
        settings = FollowerSettings(
            home=tmp_path / "follower",
            node=[f"http://127.0.0.1:{running.rpc.port}"],
            stream=f"127.0.0.1:{stream}",
            api=f"127.0.0.1:{api}",
        )
        for life in range(LIVES):
            async with run_daemon(settings) as follower:
                if life == 0:
                    command = [str(program), "follow", follower.api]
                    log = tmp_path / "go.log"
                    await child.start(go, "go", command, log=log, on_line=heard.hear)
                await heard.again(running, f"life{life}")
                for number in range(COUNT):
                    await running.rpc.broadcast("sync", b"k%d=%d" % (number, life))
            # Nobody hears of this one now.
            await running.rpc.broadcast("commit", b"away%d=1" % life)
        async with run_daemon(settings):
            await heard.again(running, "last")
            tip = await settled(running.rpc)
            owed = [
                tx
                for height in range(1, tip + 1)
                for tx in await running.rpc.transactions(height)
            ]
            await heard.until(
                lambda: len(heard.txs("resuming")) >= len(owed)
                and heard.heights("resuming")[-1] >= tip
            )
    assert heard.txs("resuming") == owed
    assert heard.heights("resuming") == list(range(1, tip + 1))
    assert set(heard.txs("plain")) <= set(heard.txs("resuming"))
    assert len(set(heard.txs("plain"))) == len(heard.txs("plain"))


class Heard:
    """What two clients say, across the follower's lives."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._came = trio.Event()

    def hear(self, line: str) -> None:
        # Lost connections are in its log as well.
        if line.startswith("{"):
            self._said.append(json.loads(line))
            self._came.set()

    def txs(self, client: str) -> list[bytes]:
        return [each["tx"].encode() for each in self._of(client, TX)]

    def heights(self, client: str) -> list[int]:
        return [each["height"] for each in self._of(client, HEADER)]

    async def until(self, is_so: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE):
            while not is_so():
                self._came = trio.Event()
                await self._came.wait()

    async def again(self, running: RunningEngine, name: str) -> None:
        """Wait until both clients are there: what they are told of is made to happen."""
        for number in itertools.count():
            tx = f"{name}-{number}=1".encode()
            await running.rpc.broadcast("commit", tx)
            if all(
                any(each.startswith(name.encode()) for each in self.txs(client))
                for client in ("plain", "resuming")
            ):
                return

    def _of(self, client: str, query: str) -> list[Said]:
        return [
            each
            for each in self._said
            if (each["client"], each["query"]) == (client, query)
        ]
