"""The manual's recipe for exactly once, as a process that dies between any two of its steps."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.signing import encode
from tests import manual
from tests.client.test_with_daemon import ids, some
from tests.fake_engine import Chain
from tests.test_daemon import DEADLINE, engine_at, running, settings

RECIPE = """\
import sqlite3
from trio_stream.client import iterate

database = sqlite3.connect("events.db")
database.execute("CREATE TABLE IF NOT EXISTS events (transaction_id TEXT)")
database.execute("CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY, position TEXT)")
found = database.execute("SELECT position FROM place").fetchone()
with iterate("ws://localhost:9985", after=found[0] if found else "earliest") as events:
    for event in events:
        with database:  # both writes or none
            database.execute("INSERT INTO events VALUES (?)", [event["transaction_id"]])
            database.execute("REPLACE INTO place VALUES (1, ?)", [event["position"]])
"""

MORTAL = """\
import os, signal, sqlite3
left, connect = {steps}, sqlite3.connect

class Mortal(sqlite3.Connection):
    def execute(self, *given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*given)

sqlite3.connect = lambda path: connect(path, factory=Mortal)
"""


async def live(directory: Path, program: str) -> int:
    """Run a program in this directory; its exit status."""
    ran = await trio.run_process(
        [sys.executable, "-c", program],
        cwd=directory,
        env=child.environment({}),
        check=False,
    )
    return ran.returncode


@pytest.mark.slow
async def test_who_keeps_the_position_beside_the_data_has_each_event_once(
    tmp_path: Path,
) -> None:
    with trio.fail_after(DEADLINE):
        async with running(settings(tmp_path / "home")) as addresses:
            async with engine_at(addresses, "C38", Chain()) as engine:
                await engine.handshake()
                committed: list[str] = []
                for block in range(4):
                    documents = some(3, block)
                    await engine.block(b"nonsense", *map(encode, documents))
                    committed += ids(documents)
                recipe = RECIPE.replace("ws://localhost:9985", addresses.stream)
                # Three steps come first, and then two an event.
                for steps in (3, 4, 5, 6, 8):
                    program = MORTAL.format(steps=steps) + recipe
                    assert await live(tmp_path, program) == -9

                to_the_end = recipe.replace("after=", 'until="tip", after=')
                assert await live(tmp_path, to_the_end) == 0

    database = sqlite3.connect(tmp_path / "events.db")
    got = database.execute("SELECT transaction_id FROM events ORDER BY rowid")
    assert [row[0] for row in got] == committed
    database.close()


def test_the_manual_has_this_recipe() -> None:
    assert RECIPE in manual.blocks("python")
