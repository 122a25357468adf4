"""`make demo-follow`: a chain that is followed, its events on the terminal, and a clean end."""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.demo import USUAL
from scripts.engines import build
from scripts.engines.build import Release
from tests.engines.site import PATIENCE

ENGINES = [build.DEFAULT]

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("no_usual_ports")]


@pytest.fixture
def no_usual_ports() -> Iterator[None]:
    """One of them is taken, so the demo chooses others: somebody else may want the usual ones."""
    with ExitStack() as stack:
        with suppress(OSError):
            taken = socket.create_server(("127.0.0.1", USUAL.rpc))
            stack.enter_context(taken)
        yield


async def start(
    nursery: trio.Nursery, place: Path, *arguments: str, on_line: Callable[[str], None]
) -> child.Child:
    return await child.start(
        nursery,
        "demo",
        [sys.executable, "-m", "scripts.demo_follow", *arguments],
        log=place / "demo.out",
        environment=child.environment({"TMPDIR": str(place)}),
        on_line=on_line,
    )


async def test_the_demo_shows_events_and_ends_by_itself(
    engine: Release, tmp_path: Path
) -> None:
    lines: list[str] = []
    async with child.open_nursery() as nursery:
        arguments = ("--engine", str(engine.binary), "--count", "4", "--pause", "0")
        demo = await start(nursery, tmp_path, *arguments, on_line=lines.append)
        with trio.fail_after(4 * PATIENCE):
            assert await demo.wait() == 0, demo.last_words(50)
    said = "\n".join(lines)
    sent = re.findall(r"^sent      (.+)=(.+)$", said, re.MULTILINE)
    assert [owner for _, owner in sent] == ["Bob", "Carol", "Alice", "Bob"]
    assert said.count('  message {"height": ') == 4
    for key, _ in sent:
        assert f"    event app: creator=Cosmoshi Netowoko, key={key}, " in said
    assert "websocat 'ws://" in said
    assert re.search(r"^4 messages, \d+ ms after they were sent", said, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.out"]


async def test_ctrl_c_ends_the_demo_cleanly(engine: Release, tmp_path: Path) -> None:
    first = trio.Event()

    def read(line: str) -> None:
        if line.startswith("  message "):
            first.set()

    async with child.open_nursery() as nursery:
        demo = await start(
            nursery, tmp_path, "--engine", str(engine.binary), on_line=read
        )
        with trio.fail_after(4 * PATIENCE):
            await child.while_alive(demo, first.wait)
            demo.send_signal(signal.SIGINT)
            assert await demo.wait() == 0, demo.last_words(50)
    assert "the validator and the follower have stopped" in demo.last_words()
