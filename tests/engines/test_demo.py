"""`make demo`: a chain, its events on the terminal, and a clean end."""

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
from scripts.chromium import CHROMIUM, chromium
from scripts.demo import USUAL
from scripts.engines import build
from scripts.engines.build import Release
from tests import manual
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
        [sys.executable, "-m", "scripts.demo", *arguments],
        log=place / "demo.out",
        environment=child.environment({"TMPDIR": str(place)}),
        on_line=on_line,
    )


async def test_the_demo_shows_events_and_ends_by_itself(
    engine: Release, tmp_path: Path
) -> None:
    lines: list[str] = []
    async with child.open_nursery() as nursery:
        arguments = ("--engine", str(engine.binary), "--count", "5", "--pause", "0")
        demo = await start(nursery, tmp_path, *arguments, on_line=lines.append)
        with trio.fail_after(PATIENCE):
            assert await demo.wait() == 0, demo.last_words(50)
    said = "\n".join(lines)
    assert said.count("202 posted  CREATE") == 2
    assert said.count("202 posted  TRANSFER") == 3
    assert said.count('  event   {"height": ') == 5
    (shown,) = manual.blocks("text", manual.README)
    for line in shown.replace("…\n", "\n").splitlines():
        assert re.search(pattern(line), said), line
    assert re.search(r"^  http://localhost:\d+/#demo$", said, re.MULTILINE)
    assert "websocat ws://" in said
    assert "5 events" in said
    assert [path.name for path in tmp_path.iterdir()] == ["demo.out"]


def pattern(line: str) -> str:
    """What a line of the README stands for: its ids are shortened, and numbers differ."""
    escaped = re.sub(r'"[0-9a-f]+…"', '"ID"', line)
    escaped = re.sub(r"(?<=: )\d+|\d+(?= ms|/#)", "NUMBER", escaped)
    return (
        re.escape(escaped).replace("NUMBER", r"\d+").replace('"ID"', '"[0-9a-f]{64}"')
    )


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
async def test_a_sample_is_posted_from_the_page(
    engine: Release, tmp_path: Path
) -> None:
    addresses: list[str] = []
    up = trio.Event()

    def read(line: str) -> None:
        if found := re.fullmatch(r"\s*(http://\S+/#demo)\s*", line):
            addresses.append(found[1])
            up.set()

    async with child.open_nursery() as nursery:
        arguments = ("--engine", str(engine.binary))
        demo = await start(nursery, tmp_path, *arguments, on_line=read)
        with trio.fail_after(PATIENCE):
            await child.while_alive(demo, up.wait)
            async with chromium(tmp_path) as browser:
                page = await browser.open(addresses[0])
                await page.until("document.querySelectorAll('#events tr a').length > 1")
                # Before the table holds so many rows that the sample leaves it.
                await page.click("#sample")
                await page.until("document.querySelector('#sample-outcome a')")
                said = await page.text("#sample-outcome")
                assert re.search(
                    r": committed in block \d+ and shown here \S+ ms after", said
                )
                posted = "document.querySelector('#sample-outcome a').title"
                await page.until(
                    f'document.querySelector(`#events a[title="${{{posted}}}"]`)'
                )
                assert page.complaints == []
            demo.send_signal(signal.SIGINT)
            assert await demo.wait() == 0, demo.last_words(50)


async def test_ctrl_c_ends_the_demo_cleanly(engine: Release, tmp_path: Path) -> None:
    first_event = trio.Event()

    def read(line: str) -> None:
        if "  event   " in line:
            first_event.set()

    async with child.open_nursery() as nursery:
        arguments = ("--engine", str(engine.binary))
        demo = await start(nursery, tmp_path, *arguments, on_line=read)
        with trio.fail_after(PATIENCE):
            await child.while_alive(demo, first_event.wait)
            demo.send_signal(signal.SIGINT)
            assert await demo.wait() == 0, demo.last_words(50)
    assert "the daemon and the validator have stopped" in demo.last_words()
    assert "Traceback" not in demo.last_words(100)
