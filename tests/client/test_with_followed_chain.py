"""The client and the door of a followed chain: all streams, broken connections, gaps, pruning."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from scripts import child
from tests import manual
from tests.client.breaking_line import BreakingLine
from tests.client.followed_chain import BusyChain, Holds, everything, owed, said
from tests.client.followed_door import FollowedDoor, open_followed_door
from tests.client.test_javascript import NODE
from tests.client.test_javascript import events as events_of
from tests.client.test_javascript import follow
from tests.scripted_server import Kept
from tests.test_exactly_once import MORTAL
from trio_stream.client import Events, Gap, Options, Refused, iterate, open_stream
from trio_stream.log.followed.keep import Keep

DEADLINE = 120

PROGRAM = """\
from trio_stream.client import Gap, iterate

with iterate("ws://localhost:9985", stream="events", query="transfer.amount EXISTS") as events:
    for event in events:
        if isinstance(event, Gap):
            print("blocks", event.first, "to", event.last, "are missing:", event.reason)
        else:
            print(event["height"], event["type"], event["attributes"])
"""

RECIPE = """\
import sqlite3
from trio_stream.client import Gap, iterate

database = sqlite3.connect("events.db")
database.execute("CREATE TABLE IF NOT EXISTS events (height INTEGER, type TEXT)")
database.execute("CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY, position TEXT)")
found = database.execute("SELECT position FROM place").fetchone()
after = found[0] if found else "earliest"
with iterate("ws://localhost:9985", stream="events", after=after) as events:
    for event in events:
        if not isinstance(event, Gap):
            database.execute("INSERT INTO events VALUES (?, ?)", [event["height"], event["type"]])
        if "position" in event:
            database.execute("REPLACE INTO place VALUES (1, ?)", [event["position"]])
            database.commit()  # all of these writes or none
"""
"""Both are in the manual."""


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_stream.client.resume.FIRST_DELAY", 0.01)


def to_r1(kind: str, attributes: Mapping[str, str]) -> bool:
    return kind == "transfer" and attributes["recipient"] == "r1"


def sixth(kind: str, attributes: Mapping[str, str]) -> bool:
    return attributes["number"] == "6"


def asking(**options: Any) -> Options:
    return cast(Options, {"after": "earliest", "until": "tip"} | options)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({"stream": "events"}, everything),
        ({"stream": "events", "detail": "full"}, everything),
        ({"stream": "transactions"}, everything),
        ({"stream": "transactions", "detail": "full"}, everything),
        ({"stream": "blocks"}, everything),
        ({"stream": "events", "query": "transfer.recipient = 'r1'"}, to_r1),
        ({"stream": "events", "recipient": ["r1", "nobody"]}, to_r1),
        ({"stream": "transactions", "recipient": "r1"}, to_r1),
        (
            {"stream": "events", "query": ["big.number = 6", "transfer.number = 6"]},
            sixth,
        ),
        ({"stream": "blocks", "query": "reward.number = 6"}, sixth),
        (
            {
                "stream": "transactions",
                "query": "transfer.recipient = 'r1' AND transfer.number > 0",
                "match": "event",
            },
            to_r1,
        ),
    ],
)
async def test_each_stream_is_what_the_node_says(
    tmp_path: Path, options: dict[str, Any], holds: Holds, live: bool
) -> None:
    chain = BusyChain(12)
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain) as door:
            for height in range(1, 7 if live else 13):
                door.commit(height)
            async with open_stream(door.url, **asking(until=12, **options)) as events:
                first = owed(chain, options["stream"], holds)[:1]
                got = [said(await anext(events))] if first else []
                for height in range(7 if live else 13, 13):
                    door.commit(height)
                got += [said(event) async for event in events]
    assert got == owed(chain, options["stream"], holds)


@pytest.mark.parametrize("notices", [True, False])
@pytest.mark.parametrize(
    ("stream", "most"), [("events", 500_000), ("transactions", 250_000)]
)
async def test_connections_break_anywhere(
    tmp_path: Path, stream: str, most: int, notices: bool
) -> None:
    chain, chance = BusyChain(21), random.Random(19)
    line = BreakingLine(lambda: chance.randrange(1, most))
    with trio.fail_after(DEADLINE):
        async with (
            open_followed_door(tmp_path, chain) as door,
            line.listening() as url,
        ):
            line.lead_to(door.url)
            for height in chain.blocks:
                door.commit(height)
            options = asking(stream=stream, notices=notices)
            async with open_stream(url, **options) as events:
                got = [said(event) async for event in events]
    assert got == owed(chain, stream)
    assert line.breaks > 0


async def test_a_program_goes_on_at_what_it_has_saved(tmp_path: Path) -> None:
    chain, chance = BusyChain(11), random.Random(19)
    got: list[object] = []
    counts: dict[str, int] = {}

    class Counting(Kept):
        def save(self, position: str) -> None:
            self.position = position
            counts[position] = len(got)

    kept, reached_the_end = Counting(), False
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain) as door:
            for height in chain.blocks:
                door.commit(height)
            while not reached_the_end:
                # What was not saved comes again.
                del got[counts.get(kept.position or "", 0) :]
                options = asking(stream="events", checkpoint=kept)
                most = chance.randrange(1, 2_000)
                try:
                    async with open_stream(door.url, **options) as events:
                        reached_the_end = await take(events, got, most)
                        if not reached_the_end:
                            raise ZeroDivisionError  # the program dies
                except ZeroDivisionError:
                    pass
    assert got == owed(chain, "events")


async def take(events: Events, got: list[object], most: int) -> bool:
    """Whether there is no more."""
    async for event in events:
        got.append(said(event))
        most -= 1
        if not most:
            return False
    return True


async def test_another_door_goes_on_in_the_middle_of_a_transaction(
    tmp_path: Path,
) -> None:
    chain, line = BusyChain(10), BreakingLine(lambda: 200_000)
    got: list[object] = []
    with trio.fail_after(DEADLINE):
        async with line.listening() as url:
            options = asking(stream="events", until=10)
            async with open_stream(url, **options) as events:
                async with open_followed_door(tmp_path / "a", chain) as door:
                    line.lead_to(door.url)
                    for height in range(1, 6):
                        door.commit(height)
                    # Some of block 5's are among these, but not all.
                    while len(got) < 100:
                        got.append(said(await anext(events)))
                line.bytes_until_break = lambda: None
                async with open_followed_door(tmp_path / "b", chain) as door:
                    line.lead_to(door.url)
                    for height in range(1, 11):
                        door.commit(height)
                    got += [said(event) async for event in events]
    assert got == owed(chain, "events")


@pytest.mark.parametrize("stream", ["events", "transactions", "blocks"])
async def test_missing_blocks_are_told_in_each_stream(
    tmp_path: Path, stream: str
) -> None:
    chain = BusyChain(9)
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain) as door:
            door.commit(1)
            door.miss(2, 6)
            options = asking(stream=stream, until=9)
            async with open_stream(door.url, **options) as events:
                got = [said(await anext(events)) for _ in owed(BusyChain(1), stream)]
                gap = await anext(events)
                assert isinstance(gap, Gap)
                assert (gap.first, gap.last, gap.reason) == (2, 6, "pruned")
                door.commit(7)
                door.miss(8, 8)
                door.commit(9)
                rest = [event async for event in events]
            # What is live and what is read later are the same.
            after = asking(stream=stream, after=gap["position"])
            async with open_stream(door.url, **after) as events:
                assert [event async for event in events] == rest
    assert got == owed(BusyChain(1), stream)
    assert [each.first for each in rest if isinstance(each, Gap)] == [8]
    blocks = [said(each) for each in rest if not isinstance(each, Gap)]
    assert blocks == [each for each in owed(chain, stream) if each.height in (7, 9)]


async def test_another_server_may_lack_the_block_where_a_client_stands(
    tmp_path: Path,
) -> None:
    chain, line = BusyChain(9), BreakingLine(lambda: None)
    with trio.fail_after(DEADLINE):
        async with line.listening() as url:
            options = asking(stream="blocks", until=9)
            async with open_stream(url, **options) as events:
                async with open_followed_door(tmp_path / "a", chain) as door:
                    line.lead_to(door.url)
                    for height in range(1, 6):
                        door.commit(height)
                    got = [(await anext(events))["height"] for _ in range(5)]
                async with open_followed_door(tmp_path / "b", chain) as door:
                    line.lead_to(door.url)
                    door.commit(1)
                    door.miss(2, 7)
                    gap = await anext(events)
                    assert isinstance(gap, Gap)
                    door.commit(8)
                    got.append((await anext(events))["height"])
                    door.miss(9, 9)
                    assert [event["position"] async for event in events] == ["9"]
    assert (got, gap.first, gap.last) == ([1, 2, 3, 4, 5, 8], 2, 7)


@pytest.mark.parametrize("notices", [True, False])
async def test_where_one_server_has_a_gap_another_continues(
    tmp_path: Path, notices: bool
) -> None:
    chain, line = BusyChain(7), BreakingLine(lambda: None)
    with trio.fail_after(DEADLINE):
        async with line.listening() as url:
            options = asking(stream="blocks", until=7, notices=notices)
            async with open_stream(url, **options) as events:
                async with open_followed_door(tmp_path / "a", chain) as door:
                    line.lead_to(door.url)
                    door.commit(1)
                    assert (await anext(events))["height"] == 1
                    door.miss(2, 5)
                    assert isinstance(await anext(events), Gap)
                    if notices:
                        # It says that it has caught up, at the end of the gap.
                        while events.position != "5":
                            with trio.move_on_after(0.1):
                                await anext(events)
                    assert events.position == "5"
                async with open_followed_door(tmp_path / "b", chain) as door:
                    line.lead_to(door.url)
                    for height in chain.blocks:
                        door.commit(height)
                    assert [event["height"] async for event in events] == [6, 7]


async def test_what_was_pruned_is_refused_with_the_oldest_block(tmp_path: Path) -> None:
    chain = BusyChain(8)
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain, keep=Keep(blocks=3)) as door:
            for height in range(1, 5):
                door.commit(height)
            async with open_stream(door.url, **asking(stream="blocks")) as events:
                first = await anext(events)
            for height in range(5, 9):
                door.commit(height)
            door.prune()
            with pytest.raises(Refused, match="the oldest block is 6") as caught:
                options = asking(stream="blocks", after=first["position"])
                async with open_stream(door.url, **options) as events:
                    await anext(events)
            async with open_stream(door.url, **asking(stream="blocks")) as events:
                assert [event["height"] async for event in events] == [6, 7, 8]
    assert caught.value.status == 410
    assert caught.value.details["oldest"] == 6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stream": "events", "query": "a ="}, "query 'a =' cannot be read"),
        ({"stream": "events", "sender": ""}, "sender must not be empty"),
        ({"stream": "events", "match": "all"}, "match must be any or event"),
        ({"stream": "events", "asset_id": "ab"}, "asset_id"),
        ({"stream": "blocks", "empty_blocks": True}, "empty_blocks"),
        ({"stream": "transactions", "after": "x"}, "after must be a position"),
        ({}, "no stream 'valid_transactions'"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, BusyChain(1)) as door:
            with pytest.raises(Refused, match=told):
                async with open_stream(door.url, **asking(**options)) as events:
                    await anext(events)


async def test_without_trio(tmp_path: Path) -> None:
    chain = BusyChain(5)

    def follow(door: FollowedDoor) -> list[object]:
        with iterate(door.url, **asking(stream="events")) as events:
            return list(map(said, events))

    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain) as door:
            for height in chain.blocks:
                door.commit(height)
            assert await trio.to_thread.run_sync(follow, door) == owed(chain, "events")


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="Node is not installed")
@pytest.mark.parametrize(
    ("stream", "most"), [("events", 500_000), ("transactions", 250_000)]
)
async def test_in_javascript(tmp_path: Path, stream: str, most: int) -> None:
    chain, chance = BusyChain(21), random.Random(19)
    line = BreakingLine(lambda: chance.randrange(1, most))
    with trio.fail_after(DEADLINE):
        async with (
            open_followed_door(tmp_path, chain) as door,
            line.listening() as url,
        ):
            line.lead_to(door.url)
            for height in chain.blocks:
                door.commit(height)
            door.miss(22, 23)
            options = {"stream": stream, "after": "earliest", "until": "tip"}
            lines = await follow(url, options=options)
    *messages, gap = events_of(lines)
    assert list(map(said, messages)) == owed(chain, stream)
    assert gap["gap"]["first"] == 22
    assert lines[-1] == {"end": "23"}
    assert line.breaks > 0


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="Node is not installed")
async def test_in_javascript_too_a_stream_of_another_kind_of_chain_is_refused(
    tmp_path: Path,
) -> None:
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, BusyChain(1)) as door:
            *_, last = await follow(door.url)
    assert (last["error"]["name"], last["error"]["status"]) == ("Refused", 404)
    assert "no stream 'valid_transactions'" in last["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["events", "transactions"])
async def test_tail_prints_them(tmp_path: Path, stream: str) -> None:
    chain, state = BusyChain(5), tmp_path / "state"
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path / "home", chain) as door:
            for height in chain.blocks:
                door.commit(height)
            door.miss(6, 7)
            tail = [sys.executable, "-m", "trio_stream", "tail", door.url, "--stream"]
            tail += [stream, "--until", "tip", "--state", str(state)]
            asked = ["--after", "earliest", "--json"]
            done = await trio.run_process(
                [*tail, *asked], capture_stdout=True, env=child.environment({})
            )
            *lines, gap = map(json.loads, done.stdout.splitlines())
            assert [said(each) for each in lines] == owed(chain, stream)
            assert gap["gap"]["last"] == 7
            assert state.read_text() == "7\n"
            state.unlink()
            asked = ["--from-height", "5", "--query", "reward.number = 2"]
            done = await trio.run_process(
                [*tail, *asked], capture_stdout=True, env=child.environment({})
            )
    assert b"blocks 6 to 7 are missing  pruned: no node has them" in done.stdout


@pytest.mark.slow
async def test_the_manuals_program_prints_events_and_gaps(tmp_path: Path) -> None:
    chain = BusyChain(4)
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path, chain) as door:
            for height in chain.blocks:
                door.commit(height)
            door.miss(5, 6)
            program = PROGRAM.replace("transfer.amount", "transfer.number")
            program = program.replace(
                'stream="events"', 'stream="events", after="earliest", until="tip"'
            )
            printed = await ran(program, tmp_path, door)
    *lines, gap = printed.decode().splitlines()
    transfers = owed(chain, "events", lambda kind, _: kind == "transfer")
    assert len(lines) == len(transfers) > 0
    assert all(" transfer [{" in line for line in lines)
    assert gap == "blocks 5 to 6 are missing: pruned"


@pytest.mark.slow
async def test_who_commits_with_the_last_event_of_a_position_has_each_once(
    tmp_path: Path,
) -> None:
    chain = BusyChain(5)
    with trio.fail_after(DEADLINE):
        async with open_followed_door(tmp_path / "home", chain) as door:
            for height in chain.blocks:
                door.commit(height)
            # Three steps come first. Within block 1, within the 1,500 events of block 5, and on.
            for steps in (3, 4, 6, 7, 8, 60, 800):
                mortal = MORTAL.format(steps=steps) + RECIPE
                assert await ran(mortal, tmp_path, door, status=-9) == b""
            await ran(
                RECIPE.replace("after=after", 'after=after, until="tip"'),
                tmp_path,
                door,
            )
    database = sqlite3.connect(tmp_path / "events.db")
    got = database.execute("SELECT height, type FROM events ORDER BY rowid").fetchall()
    database.close()
    assert got == [(e.height, e.what[0]) for e in owed(chain, "events")]


async def ran(
    program: str, folder: Path, door: FollowedDoor, *, status: int = 0
) -> bytes:
    done = await trio.run_process(
        [sys.executable, "-c", program.replace("ws://localhost:9985", door.url)],
        cwd=folder,
        capture_stdout=True,
        env=child.environment({}),
        check=False,
    )
    assert done.returncode == status
    return done.stdout


def test_the_manual_has_these_programs() -> None:
    assert {PROGRAM, RECIPE} <= set(manual.blocks("python"))
