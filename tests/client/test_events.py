"""The client against servers that do what a test says: resuming, moving on, giving up."""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import (
    MockClock,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from scripts.certificate import write_certificate
from tests.scripted_server import (
    ALL,
    Act,
    Kept,
    Network,
    Visit,
    end_of,
    message,
    rejecting,
    sending,
    serve,
)
from trio_stream.client import (
    CheckpointError,
    Events,
    NotResumable,
    Options,
    Refused,
    ServerFault,
    open_stream,
)
from trio_stream.client.resume import LONGEST_DELAY
from trio_stream.client.session import HAND_OVER


async def inline(work: Callable[[str], object], argument: str) -> object:
    """For `run_sync`: a task that waits for a thread looks idle to the mock clock."""
    await trio.lowlevel.checkpoint()
    return work(argument)


@asynccontextmanager
async def open_network() -> AsyncIterator[Network]:
    async with trio.open_nursery() as nursery:
        yield Network(nursery)
        nursery.cancel_scope.cancel()


def options(network: Network, **more: Any) -> Options:
    stand_ins = {
        "open_tcp": network.open_tcp,
        "jitter": lambda: 1.0,
        "run_sync": inline,
    }
    return cast(Options, stand_ins | more)


async def take(events: Events, count: float = math.inf) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        try:
            found.append(await anext(events))
        except StopAsyncIteration:
            break
    return found


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


async def test_an_unknown_option_is_refused_before_anything_is_done(
    tmp_path: Path,
) -> None:
    async with open_network() as network:
        network.host("a", serve())
        kept = Kept()
        asking = options(network, checkpoint=kept, aftre="earliest")
        with pytest.raises(TypeError, match="option 'aftre'; did you mean 'after'"):
            async with open_stream("ws://a", **asking):
                pass  # pragma: no cover
        with pytest.raises(TypeError, match="option 'zzz'; after, asset_id, checkp"):
            async with open_stream("ws://a", **options(network, zzz=1)):
                pass  # pragma: no cover
    assert not network.visits


async def test_options_become_parameters() -> None:
    async with open_network() as network:
        network.host("a", serve())
        asking = options(
            network,
            from_height=2,
            until=3,
            asset_id="a1",
            public_key=["k1", "k2"],
            operation=("CREATE",),
            detail="full",
            empty_blocks=True,
        )
        async with open_stream("ws://a/prefix/valid_transactions?x=1", **asking) as e:
            await take(e, 1)
    ((_, visit),) = network.visits
    assert visit.target.startswith("/prefix/valid_transactions?x=1&")
    assert visit.parameters == {
        "x": ["1"],
        "detail": ["full"],
        "empty_blocks": ["1"],
        "asset_id": ["a1"],
        "public_key": ["k1", "k2"],
        "operation": ["CREATE"],
        "notices": ["1"],
        "from_height": ["2"],
        "until": ["3"],
    }


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
def test_what_is_got_over_all_connections_is_the_log(
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


@pytest.mark.parametrize("status", [400, 409])
async def test_a_refusal_is_raised(status: int) -> None:
    said = {"error": "other_history", "message": "of another history", "tip": 7}
    async with open_network() as network:
        network.host("a", rejecting(status, said))
        urls = ["ws://a", "ws://b"]
        with pytest.raises(Refused, match="ws://a refused.*of another history") as got:
            async with open_stream(urls, **options(network, after="5")) as events:
                await take(events)
    assert (got.value.status, got.value.details) == (status, said)
    assert len(network.visits) == 1


async def test_a_refusal_without_json_says_its_text() -> None:
    async with open_network() as network:
        network.host("a", rejecting(400, "No\n  way"))
        with pytest.raises(Refused, match="refused with 400: No way"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


async def test_a_refusal_behind_the_upgrade_is_raised() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(None)
        refused = {"notice": "refused", "error": "other_history", "status": 409}
        await visit.send(refused)
        await visit.close(4409)

    async with open_network() as network:
        network.host("a", act)
        with pytest.raises(Refused, match="other_history") as got:
            async with open_stream(
                "ws://a", **options(network, after="5", notices=True)
            ) as events:
                await take(events)
    assert got.value.status == 409


async def test_a_position_that_turns_out_to_be_of_another_history_is_raised() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept("9:0:abcdef12")
        await visit.close(4409, "other_history")

    async with open_network() as network:
        network.host("a", act)
        with pytest.raises(Refused, match="409: other_history"):
            async with open_stream(
                "ws://a", **options(network, after="9:0:abcdef12")
            ) as events:
                await take(events)


async def test_a_notice_that_tells_so_is_raised_before_the_goodbye() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept("9:0:abcdef12")
        await visit.send({"notice": "refused", "message": "another", "status": 409})
        await visit.close(4409, "other_history")

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, after="9:0:abcdef12", notices=True)
        with pytest.raises(Refused, match="409: another"):
            async with open_stream("ws://a", **asking) as events:
                await take(events)


@pytest.mark.parametrize("notices", [True, False])
@pytest.mark.parametrize("messages", [[], [{"transaction_id": "b"}], ["x"]])
async def test_a_server_without_positions_is_refused(
    autojump_clock: MockClock, notices: bool, messages: list[Any]
) -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(None)
        await visit.send(*messages)
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, notices=notices)
        with pytest.raises(NotResumable, match="Stream-Position"):
            async with open_stream("ws://a", **asking) as events:
                await take(events)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([message(1, 0), message(1, 0)], "sent 1:0:.* again"),
        ([message(2, 5), message(2, 3)], "a step back"),
        ([message(2, 5), message(1, 9)], "a step back"),
        ([{"transaction_id": "a"}], "no position, but 'None'"),
        ([message(1, 0, position=7)], "no position, but '7'"),
        ([message(1, 0, position="x")], "no position, but 'x'"),
        (["[]"], "no message"),
        (["{"], "no message"),
        (
            [message(2, 0), {"notice": "checkpoint", "position": "1:0"}],
            "stands at 1:0",
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
            with pytest.raises(ServerFault, match="chain other, not of scripted"):
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


async def test_a_goodbye_without_an_end_is_a_lost_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", serve(1, code=1000), serve())
        async with open_stream("ws://a", **options(network)) as events:
            assert await take(events, 5) == ALL


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


async def test_a_wish_to_come_later_is_met(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", rejecting(503, {"message": "full"}, Retry_After="10"))
        network.host("a", serve())
        async with open_stream("ws://a", **options(network)) as events:
            began = trio.current_time()
            await take(events, 1)
    assert 10 <= trio.current_time() - began <= 11


async def test_a_server_that_is_silent_is_left(autojump_clock: MockClock) -> None:
    async def silent(visit: Visit) -> None:
        await visit.accept()
        await visit.until_gone(pong=False)

    async with open_network() as network:
        network.host("a", silent, serve())
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            began = trio.current_time()
            await take(events, 1)
    assert 9 <= trio.current_time() - began < 11


async def test_a_quiet_server_that_answers_is_kept(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            await take(events, 5)
            with trio.move_on_after(1_000):
                await take(events)
    assert len(network.visits) == 1


async def test_a_server_that_talks_is_not_pinged(autojump_clock: MockClock) -> None:
    asked: list[object] = []

    async def talking(visit: Visit) -> None:
        await visit.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, visit)
            for each in ALL:
                await trio.sleep(2)
                await visit.send(each)
            nursery.cancel_scope.cancel()

    async def listen(visit: Visit) -> None:
        asked.append(await visit.stream.receive_some())

    async with open_network() as network:
        network.host("a", talking)
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 5) == ALL
    assert asked == []


@pytest.mark.parametrize("more", range(4))
async def test_a_slow_caller_gets_what_was_sent_before_a_goodbye(
    autojump_clock: MockClock, more: int
) -> None:
    events_sent = [message(height, 0) for height in range(1, HAND_OVER + more)]

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*events_sent)
        await visit.close(1000)

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, until="tip")
        async with open_stream("ws://a", **asking) as events:
            await trio.sleep(1_000)
            assert await take(events) == events_sent


async def test_a_slow_caller_is_not_a_silent_server(
    autojump_clock: MockClock,
) -> None:
    events_sent = [message(height, 0) for height in range(1, 2_000)]

    async def act(visit: Visit) -> None:
        await visit.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.until_gone)
            for each in events_sent:
                await visit.send(each)

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 1) == events_sent[:1]
            await trio.sleep(1_000)
            assert await take(events, len(events_sent) - 1) == events_sent[1:]
    assert len(network.visits) == 1


async def test_a_caller_that_stops_holds_up_the_server(
    autojump_clock: MockClock,
) -> None:
    sent: list[int] = []

    async def act(visit: Visit) -> None:
        await visit.accept()
        for height in range(1, 10 * HAND_OVER):
            await visit.send(message(height, 0))
            sent.append(height)

    async with open_network() as network:
        network.pair = lockstep_stream_pair
        network.host("a", act)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            await wait_all_tasks_blocked()
            assert HAND_OVER <= len(sent) <= HAND_OVER + 10


async def never(visit: Visit) -> None:
    await trio.sleep_forever()


async def gone(visit: Visit) -> None:
    pass


async def garbage(visit: Visit) -> None:
    await visit.stream.send_all(b"\x00\x01 nonsense\r\n\r\n")


@pytest.mark.parametrize("act", [never, gone, garbage])
async def test_a_server_without_an_answer_is_left(
    autojump_clock: MockClock, act: Act
) -> None:
    async with open_network() as network:
        network.host("a", act, serve())
        async with open_stream("ws://a", **options(network)) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL


async def test_a_network_without_an_answer_is_left(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("b", serve())

        async def open_tcp(host: str, port: int) -> trio.abc.Stream:
            if host == "a":
                await trio.sleep_forever()
            return await network.open_tcp(host, port)

        asking = options(network)
        asking["open_tcp"] = open_tcp
        async with open_stream(["ws://a", "ws://b"], **asking) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL


async def test_rude_frames_are_a_lost_connection(autojump_clock: MockClock) -> None:
    async def rude(visit: Visit) -> None:
        await visit.accept()
        await visit.stream.send_all(b"\xff" * 20)
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", rude, serve())
        async with open_stream("ws://a", **options(network)) as events:
            assert await take(events, 5) == ALL


async def test_leaving_says_goodbye() -> None:
    codes = []

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*ALL)
        codes.append(await visit.until_gone())

    async with open_network() as network:
        network.host("a", act)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
    assert codes == [1000]


async def test_leaving_does_not_wait_for_a_server_that_is_stuck(
    autojump_clock: MockClock,
) -> None:
    async def stuck(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*ALL)
        await trio.sleep_forever()

    async with open_network() as network:
        network.host("a", stuck)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            began = trio.current_time()
    assert trio.current_time() - began <= 1


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


async def test_a_message_too_large_is_not_asked_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trio_stream.client.connection.MESSAGE_LIMIT", 100)
    async with open_network() as network:
        network.host("a", serve())
        with pytest.raises(ServerFault, match="too large"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ([], "no URL"),
        ("http://a", "ws://HOST:PORT"),
        ("a:9985", "ws://HOST:PORT"),
        ("ws://", "ws://HOST:PORT"),
        ("ws://a:99999", "Port out of range"),
        ("ws://me:secret@a", "would not be sent"),
        ("ws://a/#b", "would not be sent"),
        ("ws://a/?after=5", "after is an option"),
        ("ws://a/?x=é", "percent-encoded"),
        (["ws://a/s/valid_blocks", "ws://b"], "of the same stream"),
    ],
)
async def test_urls_that_cannot_be_meant(urls: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        async with open_stream(urls):
            raise AssertionError("must not begin")


@pytest.mark.parametrize(
    "wrong",
    [Options(after="1", from_height=1), Options(checkpoint_every=0)],
)
async def test_options_that_cannot_be_meant(wrong: Options) -> None:
    with pytest.raises(ValueError, match="give one|at least 1"):
        async with open_stream("ws://a", **wrong):
            raise AssertionError("must not begin")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


def secured(certificate: tuple[Path, Path], network: Network) -> None:
    """Let all servers speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    def pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        ours, theirs = memory_stream_pair()
        return ours, trio.SSLStream(theirs, context, server_side=True)

    network.pair = pair


async def test_tls(certificate: tuple[Path, Path]) -> None:
    async with open_network() as network:
        secured(certificate, network)
        network.host("localhost", serve(2), serve())
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        asking = options(network, ssl_context=trusting)
        async with open_stream("wss://localhost", **asking) as events:
            assert await take(events, 5) == ALL
    assert network.visits[0][1].headers["host"] == "localhost"


async def test_a_certificate_that_is_not_trusted_is_a_lost_connection(
    certificate: tuple[Path, Path],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_network() as network:
        secured(certificate, network)
        network.host("localhost", never)
        network.host("a", never)
        urls = ["wss://localhost", "wss://a"]
        async with open_stream(urls, **options(network)) as events:
            with trio.move_on_after(1):
                await take(events, 1)
    assert "wss://localhost: no TLS: [SSL: CERTIFICATE_VERIFY_FAILED]" in caplog.text


async def test_tls_without_an_answer_is_left(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", never)  # waits for a request
        network.host("b", serve())
        async with open_stream(["wss://a", "ws://b"], **options(network)) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL
