"""A person's validator finds its way back to a daemon that was away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from scripts import child, signing
from tests.engines.site import ALICE, BOB, PATIENCE, Site, commit

pytestmark = pytest.mark.engine

# An engine of 0.38 and later may hang when its daemon is killed. It is taken for busy then: two
# calls wait for their answer, and it is given time to end by itself.
BACK_AGAIN = 4 * PATIENCE


class Lines:
    """Counts a program's lines of one kind, and wakes those waiting for more."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._count = 0
        self._more = trio.Event()

    def __call__(self, line: str) -> None:
        if self._text in line:
            self._count += 1
            self._more.set()

    async def reach(self, count: int) -> None:
        with trio.fail_after(BACK_AGAIN):
            while self._count < count:
                await self._more.wait()
                self._more = trio.Event()


async def test_devnode_comes_back_after_the_daemon(site: Site, tmp_path: Path) -> None:
    up = Lines("is up at height")
    validator = site.validator
    command = [
        *(sys.executable, "-m", "scripts.devnode"),
        *("--engine", site.kind.name),
        *("--home", str(tmp_path / "devnode")),
        *("--abci", site.abci),
        *("--rpc", str(validator.rpc_port)),
        *("--p2p", str(validator.p2p_port)),
    ]
    async with child.open_nursery() as nursery:
        async with site.daemon() as daemon:
            devnode = await child.start(
                nursery,
                "devnode",
                command,
                log=tmp_path / "devnode.out",
                environment=child.environment({}),
                on_line=up,
            )
            await up.reach(1)
            await commit(daemon, signing.create(ALICE))
            await daemon.kill()
        async with site.daemon() as daemon:
            await up.reach(2)
            await commit(daemon, signing.create(BOB))
            with trio.fail_after(PATIENCE):
                assert await devnode.stop() == 0
