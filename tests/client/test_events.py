"""Streams of events as a caller has them, and the positions that are kept for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.client.asking import open_network, options, take
from tests.scripted_feed import FEED, feed
from tests.scripted_server import (
    ALL,
    Kept,
    end_of,
    message,
    rejecting,
    sending,
    serve,
)
from trio_stream.client import CheckpointError, Refused, open_stream
from trio_stream.client.session import HAND_OVER


async def test_events_are_the_messages() -> None:
    async with open_network() as network:
        network.host("a", serve())
        async with open_stream("ws://a:9985", **options(network)) as events:
            assert await take(events, 5) == ALL
            assert events.position == ALL[-1]["position"]
    ((host, visit),) = network.visits
    assert host == "a"
    assert visit.target == "/api/v1/streams/valid_transactions?detail=position"
    assert visit.headers["host"] == "a:9985"


async def test_an_error_of_the_caller_comes_out_as_it_is() -> None:
    async with open_network() as network:
        network.host("a", serve())
        with pytest.raises(KeyError, match="mine"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events, 1)
                raise KeyError("mine")


async def test_a_position_is_saved_when_the_caller_asks_for_more() -> None:
    kept = Kept()
    async with open_network() as network:
        network.host("a", serve())
        async with open_stream("ws://a", **options(network, checkpoint=kept)) as events:
            assert kept.saved == []
            await take(events, 1)
            # The beginning: "from now on" is the same place after a crash.
            assert kept.saved == [end_of(0)]
            await take(events, 1)
            assert kept.saved == [end_of(0), ALL[0]["position"]]
    assert kept.saved[2:] == [ALL[1]["position"]]


async def test_an_event_that_the_caller_fails_on_is_not_saved() -> None:
    kept = Kept()
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, checkpoint=kept, checkpoint_every=100)
        with pytest.raises(KeyError):
            async with open_stream("ws://a", **asking) as events:
                await take(events, 3)
                raise KeyError
    assert kept.saved[-1] == ALL[1]["position"]


async def test_a_cancelled_caller_keeps_what_it_has_done() -> None:
    kept = Kept()
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, checkpoint=kept, checkpoint_every=100)
        with trio.CancelScope() as scope:
            async with open_stream("ws://a", **asking) as events:
                await take(events, 3)
                scope.cancel()
                await take(events, 1)
    assert kept.saved[-1] == ALL[2]["position"]


async def test_positions_are_saved_less_often_if_wanted() -> None:
    events_sent = [message(height, 0) for height in range(1, HAND_OVER)]
    kept = Kept()
    async with open_network() as network:
        network.host("a", sending(*events_sent))
        asking = options(network, checkpoint=kept, checkpoint_every=20)
        async with open_stream("ws://a", **asking) as events:
            await wait_all_tasks_blocked()
            await take(events, 50)
    places = [position.split(":")[0] for position in kept.saved]
    assert places == ["0", "20", "40", "50"]


async def test_a_position_is_saved_once_all_its_events_are_done() -> None:
    kept = Kept()
    async with open_network() as network:
        network.host("a", feed())
        asking = options(network, stream="events", checkpoint=kept)
        async with open_stream("ws://a", **asking) as events:
            await take(events, 3)
            assert kept.saved == [end_of(0)]
            assert events.position == FEED[2]["position"]
            await take(events, 2)
            assert kept.saved[1:] == [FEED[2]["position"], FEED[3]["position"]]
            assert events.position == FEED[3]["position"]
    # The last one that was handed out is not the last one of its position.
    assert kept.saved[3:] == []


async def test_an_unfinished_position_is_begun_again_after_a_restart() -> None:
    kept = Kept()
    async with open_network() as network:
        network.host("a", feed(), feed())
        asking = options(network, stream="events", checkpoint=kept)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 5) == FEED[:5]
        kept.position = kept.saved[-1]
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, len(FEED) - 4) == FEED[4:]


async def test_a_saved_position_is_where_it_goes_on() -> None:
    kept = Kept(str(ALL[2]["position"]))
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, checkpoint=kept, after="earliest")
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 2) == ALL[3:]


async def test_a_checkpoint_may_be_awaited() -> None:
    class Awaited(Kept):
        async def load(self) -> str | None:  # type: ignore[override]  # either will do
            await trio.lowlevel.checkpoint()
            return self.position

        async def save(self, position: str) -> None:  # type: ignore[override]
            await trio.lowlevel.checkpoint()
            self.saved.append(position)

    kept = Awaited(str(ALL[2]["position"]))
    async with open_network() as network:
        network.host("a", serve())
        async with open_stream("ws://a", **options(network, checkpoint=kept)) as events:
            assert await take(events, 2) == ALL[3:]
    assert kept.saved[-1] == ALL[4]["position"]


async def test_a_path_is_a_checkpoint(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with open_network() as network:
        for _ in range(2):
            network.host("a", serve())
        for part in (ALL[:3], ALL[3:]):
            asking = options(network, checkpoint=state)
            async with open_stream("ws://a", **asking) as events:
                assert await take(events, len(part)) == part
    assert state.read_text() == f"{ALL[4]['position']}\n"
    assert list(tmp_path.iterdir()) == [state]


async def test_a_checkpoint_that_holds_something_else_is_left_alone(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    state.write_text("my diary\n")
    with pytest.raises(CheckpointError, match="my diary"):
        async with open_stream("ws://a", checkpoint=state):
            raise AssertionError("must not begin")
    assert state.read_text() == "my diary\n"


async def test_an_error_of_the_checkpoint_comes_out_as_it_is(tmp_path: Path) -> None:
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, checkpoint=tmp_path / "missing" / "state")
        with pytest.raises(FileNotFoundError):
            async with open_stream("ws://a", **asking) as events:
                await take(events, 1)


async def test_events_come_one_by_one_and_then_the_error_that_ends_them() -> None:
    refused = {"error": "pruned", "message": "no longer kept"}
    got: list[object] = []
    async with open_network() as network:
        network.host("a", serve(2), rejecting(409, refused))
        with pytest.raises(Refused, match="no longer kept"):
            async with open_stream("ws://a", **options(network)) as events:
                async for event in events:
                    got.append(event)
    assert got == ALL[:2]


async def test_a_stream_that_has_reached_its_end_stops_the_loop() -> None:
    got: list[object] = []
    async with open_network() as network:
        network.host("a", serve(2, code=1000))
        async with open_stream("ws://a", **options(network, until=9)) as events:
            async for event in events:
                got.append(event)
    assert got == ALL[:2]
