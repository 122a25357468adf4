"""Pulls: the streams for clients that poll, over the real server."""

from __future__ import annotations

import json
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.http.streaming import BLOCKS, EVENTS, served
from tests.memory_log import KEYS, MemoryLog
from tests.websocket.subscribing import end_of, texts_of
from tests.websocket_peer import PATH
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.http.pull import Pull
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position, parse_position


async def test_a_pull_is_answered_oldest_first() -> None:
    async with served(blocks=3) as server:
        for path, query in [
            (PATH, ""),
            (f"{PATH}?detail=position", "&detail=position"),
            (f"{PATH}?operation=CREATE", "&operation=CREATE"),
            (BLOCKS, "&stream=valid_blocks"),
        ]:
            answer = await server.pull(f"?after=earliest{query}")

            wanted = [json.loads(text) for text in texts_of(server.log, path)]
            assert answer == {
                "events": wanted,
                "next": end_of(3),
                "oldest": 1,
                "tip": 3,
            }


@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
@pytest.mark.parametrize("query", ["", f"&public_key={KEYS[0]}"])
async def test_pulls_joined_are_the_log(query: str, tail_bytes: int) -> None:
    async with served(blocks=5, tail_bytes=tail_bytes) as server:
        found, position, more = list[object](), "earliest", True
        while more:
            answer = await server.pull(f"?after={position}&limit=2{query}")
            more = answer["events"]
            assert len(answer["events"]) <= 2
            found += answer["events"]
            position = answer["next"]

        path = PATH + ("?" + query[1:] if query else "")
        assert found == [json.loads(text) for text in texts_of(server.log, path)]
        assert position == end_of(5)


async def test_without_a_beginning_it_is_from_now() -> None:
    async with served(blocks=1) as server:
        answer = await server.pull()
        assert (answer["events"], answer["next"]) == ([], end_of(1))


async def test_a_pull_waits_for_the_first_message() -> None:
    async with served(blocks=1) as server:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask() -> None:
                answer = await server.pull("?wait=30")
                assert [e["height"] for e in answer["events"]] == [2]
                assert (answer["next"], answer["tip"]) == (end_of(2), 2)

            await wait_all_tasks_blocked(0.01)
            server.commit(1)


@pytest.mark.parametrize("query", ["?wait=5", "?wait=5&after=3", "?wait=5&after=3:1"])
async def test_a_pull_waits_no_longer_than_it_is_told(
    query: str, patient_clock: MockClock
) -> None:
    async with served(blocks=1) as server:
        began = trio.current_time()
        answer = await server.pull(query)
        assert answer["events"] == []
        assert trio.current_time() - began == pytest.approx(5)


async def test_a_pull_that_is_ahead_gets_what_comes() -> None:
    async with served(blocks=1) as server:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask() -> None:
                answer = await server.pull(f"?wait=30&after={end_of(2)}")
                assert [e["height"] for e in answer["events"]] == [3]

            await wait_all_tasks_blocked(0.01)
            server.commit(1)
            await wait_all_tasks_blocked(0.01)
            server.commit(1)


async def test_a_pull_that_is_ahead_for_too_long_begins_there_again() -> None:
    async with served(blocks=1) as server:
        answer = await server.pull(f"?wait=0&after={end_of(2)}")
        assert (answer["events"], answer["next"]) == ([], end_of(2))


class SlowLog(MemoryLog):
    """Takes long to find nothing."""

    async def frames(self, request: PageRequest) -> Frames:
        await trio.sleep(0.4)
        start = request.after
        page = await super().frames(request._replace(until=Position(start.height, 9)))
        return Frames(start, Position.end_of(start.height + 1), page.data, [], [])


async def test_a_search_that_takes_too_long_says_how_far_it_got(
    autojump_clock: MockClock,
) -> None:
    log = SlowLog()
    for _ in range(9):
        log.commit()
    channel, stop = CommitChannel(CommittedBlocks(log), tail_bytes=1), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        began = trio.current_time()
        nothing = "asset_id=" + "0" * 64
        pulled = await Pull(channel).answer(f"after=earliest&wait=0&{nothing}")
        assert 1.0 < trio.current_time() - began < 2.0
        stop.set()
    answer = json.loads(pulled.answer.body)
    assert (answer["events"], answer["tip"]) == ([], 9)
    reached = parse_position(answer["next"]).position
    assert 2 < reached.height < 9


async def test_a_pull_ends_with_the_channel() -> None:
    async with served(blocks=1) as server:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask() -> None:
                assert (await server.pull("?wait=30"))["events"] == []

            await wait_all_tasks_blocked(0.01)
            server.stop.set()
            await server.answered.wait()
            server.channel_stop.set()


async def test_an_end_of_a_pull() -> None:
    async with served(blocks=3) as server:
        answer = await server.pull("?after=1&until=2&wait=30")
        assert [e["height"] for e in answer["events"]] == [2, 2, 2]
        assert answer["next"] == end_of(2)


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("?limit=0", 400, "bad_request"),
        ("?notices=1", 400, "bad_request"),
        ("?after=" + "0" * 64, 404, "unknown_transaction"),
        ("?after=1::12345678", 409, "other_history"),
        ("?after=500", 503, "ahead"),
        ("?after=2::12345678&wait=30", 409, "other_history"),
    ],
)
async def test_what_a_pull_is_refused(query: str, status: int, error: str) -> None:
    async with served(blocks=1) as server:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def ask() -> None:
                answer = await server.ask(EVENTS + query)
                assert answer.status == status
                assert json.loads(await answer.whole())["error"] == error
                retry = answer.headers.get("retry-after")
                assert retry == ("10" if status == 503 else None)
                assert answer.headers["content-type"] == "application/json"

            await wait_all_tasks_blocked(0.01)
            server.commit()
