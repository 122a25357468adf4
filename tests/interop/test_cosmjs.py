"""cosmjs follows a chain and asks about it at a follower, unchanged, as at the node itself."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path

import pytest
import trio

from scripts import interop_env
from scripts.engines.build import Release
from tests.engines.test_cometbft import committed
from tests.engines.test_dropin import following
from tests.interop import conftest as fixtures

pytestmark = [pytest.mark.interop, pytest.mark.engine]

engine = fixtures.engine
ENGINES = ("cometbft-0.37.18", "cometbft-0.38.26", "cometbft-1.0.1")
"""The lines that cosmjs knows."""

PROGRAM = (interop_env.LOCKS / "cosmjs" / "use.mjs").read_text(encoding="utf-8")
COUNT = 20
LONGEST = 600.0


@pytest.fixture(scope="session")
def folder() -> Path:
    try:
        return interop_env.cosmjs()
    except interop_env.NotHere as error:
        pytest.skip(str(error))


async def test_cosmjs_is_told_the_same(
    engine: Release, folder: Path, tmp_path: Path
) -> None:
    async with following(engine, tmp_path) as (running, follower):
        await running.rpc.broadcast("sync", b"first=1")
        await committed(running, b"first=1")
        urls = [
            f"http://127.0.0.1:{running.rpc.port}",
            f"ws://127.0.0.1:{follower.api_port}",
        ]
        with trio.fail_after(LONGEST):
            ran = await trio.run_process(
                ["node", "--input-type=module", "-e", PROGRAM, "--", str(COUNT), *urls],
                cwd=folder,
                capture_stdout=True,
            )
        said = json.loads(ran.stdout)
        told = said["told"]
        assert said["failed"] == [] and said["codes"] == [0] * (COUNT + 1)
        keys = sorted(b64decode(each["tx"]) for each in told["tx"])
        assert keys == sorted([b"last=1", *(b"k%d=v" % n for n in range(COUNT))])
        assert [b64decode(each["tx"]) for each in told["own"]] == [b"k0=v"]
        for name in ("block", "header"):
            heights = [each.get("header", each)["height"] for each in told[name]]
            assert heights == list(range(heights[0], heights[0] + len(heights)))
        at_engine, here = said["asked"]
        assert here == at_engine
        assert said["found"][0] == said["found"][1]
        assert said["overHttp"] == here["block"]
        assert "must be less than or equal to" in said["wrong"]
