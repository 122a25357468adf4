"""Settings of what the node says about itself, in force in the whole daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from scripts.daemon_process import Settings, run_daemon
from tests.still_daemon import Still, everything, still
from tests.test_daemon import DEADLINE, engine_at, settings

READY = "GET /health/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
FOREVER = 1 << 50


async def readiness(daemon: Still) -> Any:
    async with await daemon.connect("api", READY) as stream:
        head, _, body = (await everything(stream)).partition(b"\r\n\r\n")
    said = json.loads(body)
    assert said["ready"] == (b" 200 " in head)
    return said


async def test_ready_engine_timeout(tmp_path: Path, mock_clock: MockClock) -> None:
    config = settings(tmp_path, ready_engine_timeout=7)
    async with still(config, mock_clock) as daemon:
        assert (await readiness(daemon))["engine"] == "no engine has connected yet"
        async with engine_at(daemon.addresses, "C38") as engine:
            await engine.handshake()
            assert (await readiness(daemon))["engine"] == "ok"
        await daemon.settle()
        await daemon.passes(6.5)
        assert (await readiness(daemon))["ready"]
        await daemon.passes(1)
        said = (await readiness(daemon))["engine"]
        assert said == "no engine has been connected for 8 s"


@pytest.mark.parametrize(("free", "is_fine"), [(0, True), (FOREVER, False)])
async def test_ready_free_bytes(
    tmp_path: Path, mock_clock: MockClock, free: int, is_fine: bool
) -> None:
    config = settings(tmp_path, ready_free_bytes=free)
    async with still(config, mock_clock) as daemon:
        assert ((await readiness(daemon))["disk"] == "ok") == is_fine


@pytest.mark.parametrize(("form", "is_json"), [("auto", True), ("human", False)])
async def test_log_format(tmp_path: Path, form: str, is_json: bool) -> None:
    """Where it is no terminal, lines are for programs unless somebody asks for others."""
    with trio.fail_after(DEADLINE):
        process = Settings(home=tmp_path / "home", arguments=["--log-format", form])
        async with run_daemon(process) as daemon:
            assert await daemon.stop() == 0
            lines = daemon.log.read_text().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("{") == is_json for line in lines)
    if is_json:
        assert json.loads(lines[-1])["message"] == "stopped"
