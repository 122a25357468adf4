"""A stream that goes on over many connections, in order and without a gap."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.client.asking import open_network, options, take
from tests.scripted_feed import FEED, begin_feed, feed, gap, sending_feed, unit
from tests.scripted_server import (
    ALL,
    Kept,
    Visit,
    end_of,
    message,
    rejecting,
    sending,
    serve,
)
from trio_stream.client import Gap, NotResumable, Refused, ServerFault, open_stream
from trio_stream.client.resume import LONGEST_DELAY


async def test_a_lost_connection_is_resumed_after_the_last_event(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", serve(0), serve(2), serve(1), serve())
        async with open_stream("ws://a", **options(network)) as events:
            assert await take(events, 5) == ALL
    last = [None, end_of(0), ALL[1]["position"], ALL[2]["position"]]
    assert network.asked("after") == last


async def test_a_height_to_begin_at_is_asked_for_once(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", serve(1), serve())
        async with open_stream("ws://a", **options(network, from_height=1)) as events:
            await take(events, 2)
    assert network.asked("from_height") == ["1", None]
    assert network.asked("after") == [None, ALL[0]["position"]]


@settings(max_examples=30)
@given(
    cuts=st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 3),
            st.sampled_from([None, 1001, 1011, 404, 503, 4503, 4404]),
        ),
        max_size=8,
    )
)
def test_the_events_of_all_connections_together_are_the_log(
    cuts: list[tuple[str, int, int | None]],
) -> None:
    async def main() -> None:
        async with open_network() as network:
            for host, count, code in cuts:
                act = rejecting(code) if code in (404, 503) else serve(count, code=code)
                network.host(host, act)
            for host in ("a", "b"):
                network.host(host, serve())
            asking = options(network, after="earliest")
            async with open_stream(["ws://a", "ws://b"], **asking) as events:
                assert await take(events, 5) == ALL

    trio.run(main, clock=MockClock(autojump_threshold=0))


@settings(max_examples=50)
@given(
    cuts=st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 6),
            st.sampled_from([None, 1000, 1001, 4503]),
        ),
        max_size=10,
    ),
    notices=st.booleans(),
)
def test_events_that_share_positions_come_once_wherever_connections_end(
    cuts: list[tuple[str, int, int | None]], notices: bool
) -> None:
    async def main() -> None:
        async with open_network() as network:
            for host, count, code in cuts:
                network.host(host, feed(count, code=code))
            for host in ("a", "b"):
                network.host(host, feed())
            asking = options(
                network, stream="events", after="earliest", notices=notices
            )
            async with open_stream(["ws://a", "ws://b"], **asking) as events:
                assert await take(events, len(FEED)) == FEED

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_missing_blocks_are_a_message_of_their_own() -> None:
    async with open_network() as network:
        network.host("a", feed())
        asking = options(network, stream="events")
        async with open_stream("ws://a", **asking) as events:
            gaps = [each for each in await take(events, 7) if isinstance(each, Gap)]
            assert events.position == "4"
    assert [(each.first, each.last) for each in gaps] == [(2, 4)]
    ((_, visit),) = network.visits
    assert visit.target == "/api/v1/streams/events?detail=position"


async def test_an_end_within_a_position_is_a_lost_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", feed(2, code=1000), feed(4, code=1000))
        asking = options(network, stream="events", until=1)
        async with open_stream("ws://a", **asking) as events:
            assert [event async for event in events] == FEED[:4]


async def test_another_server_may_lack_the_blocks_of_an_unfinished_position(
    autojump_clock: MockClock,
) -> None:
    async def hang_up(visit: Visit) -> None:
        await begin_feed(visit)
        await visit.send(first)

    first, *_ = unit(5, None, 3)
    async with open_network() as network:
        network.host("a", hang_up)
        network.host("b", sending_feed(gap(2, 9)))
        asking = options(network, stream="events")
        async with open_stream(["ws://a", "ws://b"], **asking) as events:
            assert await take(events, 2) == [first, gap(2, 9)]


async def test_an_event_without_its_place_is_a_fault() -> None:
    async with open_network() as network:
        network.host("a", sending_feed({"event_index": 1, "type": "transfer"}))
        async with open_stream("ws://a", **options(network)) as events:
            with pytest.raises(ServerFault, match="an event without its place"):
                await take(events, 1)


async def test_a_server_that_only_repeats_is_not_asked_at_once_for_ever(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", feed(1), feed(1), feed(1), feed(1), feed())
        began = trio.current_time()
        asking = options(network, stream="events")
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, len(FEED)) == FEED
    assert trio.current_time() - began == pytest.approx(0.2 + 0.4 + 0.8 + 1.6)


@pytest.mark.parametrize("status", [404, 503, 500, 429, 301, 200])
async def test_the_next_server_is_asked_if_one_has_not_got_it(
    autojump_clock: MockClock, status: int
) -> None:
    async with open_network() as network:
        network.host("a", rejecting(status, {"message": "not here"}))
        network.host("b", serve())
        async with open_stream(["ws://a", "ws://b"], **options(network)) as events:
            assert await take(events, 5) == ALL
    assert [host for host, _ in network.visits] == ["a", "b"]


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([message(1, 0), message(1, 0)], "sent 1:0:.* again"),
        ([message(2, 5), message(2, 3)], "out of order"),
        ([message(2, 5), message(1, 9)], "out of order"),
        ([{"transaction_id": "a"}], "'None' instead of a position"),
        ([message(1, 0, position=7)], "'7' instead of a position"),
        ([message(1, 0, position="x")], "'x' instead of a position"),
        (["[]"], "instead of a message"),
        (["{"], "instead of a message"),
        (
            [message(2, 0), {"notice": "checkpoint", "position": "1:0"}],
            "went back to 1:0",
        ),
    ],
)
async def test_a_server_that_breaks_the_order_is_at_fault(
    messages: list[Any], told: str
) -> None:
    async with open_network() as network:
        network.host("a", sending(*messages))
        with pytest.raises(ServerFault, match=told):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


@pytest.mark.parametrize(
    ("after", "begins", "fine"),
    [
        ("5:1", "5:1:abcdef12", True),
        ("5:1:abcdef12", "5:1:abcdef12", True),
        ("5:1:abcdef12", "5:1:00000000", False),
        ("5:1:abcdef12", "5:2:00000000", False),
        ("5:1", "5:0", False),
        ("5", end_of(5), True),
        ("earliest", end_of(0), True),
        ("ab" * 32, "7:1:abababab", True),
        # Before the first block is where it begins.
        ("0::", "9::abcdef12", True),
        ("8:3", "9::abcdef12", True),
        ("12:3", "13::abcdef12", False),
        ("0::", "10::abcdef12", False),
    ],
)
async def test_a_stream_begins_where_it_was_asked_to(
    after: str, begins: str, fine: bool
) -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(begins, oldest=10)
        await visit.send(message(20, 0))
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", act)
        async with open_stream("ws://a", **options(network, after=after)) as events:
            if fine:
                assert await take(events, 1) == [message(20, 0)]
            else:
                with pytest.raises(ServerFault, match="begins at"):
                    await take(events, 1)


async def test_a_server_of_another_chain_is_at_fault(
    autojump_clock: MockClock,
) -> None:
    async def other(visit: Visit) -> None:
        await visit.accept(visit.asked("after"), chain="other")

    async with open_network() as network:
        network.host("a", serve(1), other)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            with pytest.raises(ServerFault, match="chain other, not scripted"):
                await take(events, 1)


async def test_the_end_that_was_asked_for_ends_it(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", serve(2), serve(code=1000))
        async with open_stream("ws://a", **options(network, until="tip")) as events:
            assert [event async for event in events] == ALL
    # What was the tip at first is the end, also when the chain has grown.
    assert network.asked("until") == ["tip", "3"]


async def test_the_end_may_have_been_reached_when_the_connection_is_lost(
    autojump_clock: MockClock,
) -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(tip=3)
        await visit.send(*ALL)
        await visit.notice("caught_up", end_of(3))

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, until=3, notices=True)
        async with open_stream("ws://a", **asking) as events:
            assert [event async for event in events] == ALL


async def test_tries_come_at_growing_distances(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        async with open_stream("ws://a", **options(network)) as events:
            with trio.move_on_after(200):
                await take(events)
    times = network.refused
    gaps = [round(b - a, 6) for a, b in zip(times, times[1:], strict=False)]
    assert gaps[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6]
    assert set(gaps[8:]) == {LONGEST_DELAY}


async def test_all_servers_are_tried_before_the_distance_grows(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        urls = ["ws://a", "ws://b"]
        async with open_stream(urls, **options(network)) as events:
            with trio.move_on_after(2):
                await take(events)
    times = network.refused
    gaps = [round(b - a, 6) for a, b in zip(times, times[1:], strict=False)]
    assert gaps[:4] == [0.2, 0.2, 0.4, 0.4]


async def test_an_event_makes_the_distance_small_again(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        async with open_stream("ws://a", **options(network)) as events:
            with trio.move_on_after(20):
                await take(events)
            network.refused.clear()
            network.host("a", serve(1))
            await take(events, 1)
            lost = trio.current_time()
            with trio.move_on_after(1):
                await take(events)
    assert network.refused[0] - lost <= 0.2


async def test_a_connection_that_lasted_makes_the_distance_small_again(
    autojump_clock: MockClock,
) -> None:
    async def quiet(visit: Visit) -> None:
        await visit.accept(visit.asked("after") or end_of(0))
        with trio.move_on_after(100):
            await visit.until_gone()

    async with open_network() as network:
        async with open_stream("ws://a", **options(network)) as events:
            with trio.move_on_after(20):
                await take(events)
            network.host("a", quiet)
            network.refused.clear()
            with trio.move_on_after(140):
                await take(events)
    assert network.refused[1] - network.refused[0] == pytest.approx(0.4)


async def test_notices_move_the_position_on(autojump_clock: MockClock) -> None:
    async def sparse(visit: Visit) -> None:
        await visit.accept()
        await visit.notice("subscribed", end_of(0), oldest=1, tip=9)
        await visit.send(message(1, 0))
        await visit.notice("checkpoint", end_of(7))
        await visit.notice("caught_up", end_of(7))
        await trio.sleep(1)

    async def rest(visit: Visit) -> None:
        await visit.accept(visit.asked("after"))
        await visit.notice("fell_behind", end_of(7))
        await visit.send(message(9, 0))
        await visit.notice("closing", end_of(9))
        await visit.until_gone()

    kept = Kept()
    async with open_network() as network:
        network.host("a", sparse, rest)
        asking = options(network, asset_id="x", checkpoint=kept)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 2) == [message(1, 0), message(9, 0)]
            with trio.move_on_after(1):
                await take(events, 1)
            assert events.position == end_of(9)
    assert network.asked("after") == [None, end_of(7)]
    assert network.asked("notices") == ["1", "1"]
    assert kept.saved[-1] == end_of(9)


async def test_notices_are_not_asked_for_without_need() -> None:
    async with open_network() as network:
        for _ in range(2):
            network.host("a", serve())
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
        asking = options(network, asset_id="x", notices=False)
        async with open_stream("ws://a", **asking) as events:
            await take(events, 1)
    assert network.asked("notices") == [None, None]


@pytest.mark.parametrize("position", [None, end_of(0)])
async def test_a_refusal_may_be_a_notice(position: str | None) -> None:
    async def refuse(visit: Visit) -> None:
        await visit.accept(position)
        await visit.send({"notice": "refused", "status": 409, "message": "not mine"})
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", refuse)
        asking = options(network, notices=True)
        with pytest.raises(Refused, match="refused with 409: not mine"):
            async with open_stream("ws://a", **asking) as events:
                await take(events, 1)


async def test_a_server_that_does_not_say_where_it_begins_is_not_followed() -> None:
    async def old(visit: Visit) -> None:
        await visit.accept(None)
        await visit.send(message(1, 0))
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", old)
        async with open_stream("ws://a", **options(network, notices=True)) as events:
            with pytest.raises(NotResumable, match="ws://a"):
                await take(events, 1)
