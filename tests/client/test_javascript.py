"""The JavaScript client against servers that do what a test says, as the Python client is tested.

Each test runs Node, with the client as it is served and with seconds that take a millisecond.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from wsproto.frame_protocol import FrameProtocol

from scripts import child
from tests.scripted_feed import FEED, Message, begin_feed, feed, gap, sending_feed, unit
from tests.scripted_server import (
    ALL,
    BEGINNING,
    Act,
    Visit,
    after_of,
    end_of,
    message,
    rejecting,
)

NODE = shutil.which("node")
CLIENT = child.ROOT / "trio_stream" / "http" / "static" / "client.js"
FOLLOW = Path(__file__).with_name("follow.mjs")
DEADLINE = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="Node is not installed"),
]


class Servers:
    """Scripted servers on real sockets: each has a list of acts, one per connection."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.visits: list[Visit] = []

    async def open(self, *acts: Act) -> str:
        """A server's URL. Without more acts it hangs up at once."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        play = partial(self._play, list(acts))
        self._nursery.start_soon(trio.serve_listeners, play, [listener])
        return f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"

    async def _play(self, acts: list[Act], stream: trio.SocketStream) -> None:
        async with stream:
            if not acts:
                return
            act = acts.pop(0)
            visit = Visit(stream)
            try:
                await visit.read_head()
                self.visits.append(visit)
                await act(visit)
            except trio.BrokenResourceError:
                pass

    def asked(self, name: str) -> list[str | None]:
        """What each connection asked for under this name."""
        return [visit.asked(name) for visit in self.visits]


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    with trio.fail_after(DEADLINE):  # noqa: ASYNC100  # the block's waits count
        async with trio.open_nursery() as nursery:
            yield Servers(nursery)
            nursery.cancel_scope.cancel()


async def follow(urls: str | list[str], **request: Any) -> list[dict[str, Any]]:
    """What the client prints, line by line."""
    asked = json.dumps({"urls": urls, **request})
    assert NODE is not None
    command = [NODE, "--experimental-websocket", "--no-warnings", str(FOLLOW)]
    done = await trio.run_process(
        [*command, CLIENT.as_uri(), asked],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def events(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line["event"] for line in lines if "event" in line]


def error(lines: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = lines[-1]["error"]
    return found


def delays(lines: list[dict[str, Any]]) -> list[float]:
    return [line["delay"] for line in lines if line.get("state") == "waiting"]


def said(lines: list[dict[str, Any]], name: str) -> list[Any]:
    return [line[name] for line in lines if name in line]


async def begin(
    visit: Visit,
    position: str = BEGINNING,
    *,
    oldest: int = 1,
    tip: int = 3,
    chain: str = "scripted",
) -> None:
    """Accept, and say where the stream begins, as a server does that is asked for notices."""
    await visit.accept(position)
    more = {"oldest": oldest, "tip": tip, "chain": chain}
    await visit.send({"notice": "subscribed", "position": position, **more})


def serve(count: int | None = None, *, code: int | None = None) -> Act:
    """Send what comes next, so many events of it, and then hang up, or close with a code."""

    async def act(visit: Visit) -> None:
        seen = after_of(visit)
        asked = visit.asked("after")
        await begin(visit, asked if seen and asked else BEGINNING)
        await visit.send(*ALL[seen : None if count is None else seen + count])
        if code is not None:
            await visit.close(code)
        elif count is None:
            await visit.until_gone()

    return act


def sending(*messages: dict[str, object] | str) -> Act:
    async def act(visit: Visit) -> None:
        await begin(visit)
        await visit.send(*messages)
        await visit.until_gone()

    return act


def beginning(position: str, **more: Any) -> Act:
    async def act(visit: Visit) -> None:
        await begin(visit, position, **more)
        await visit.until_gone()

    return act


def refusing(status: int, **more: object) -> Act:
    async def act(visit: Visit) -> None:
        await visit.accept(None)
        await visit.send({"notice": "refused", "status": status, **more})
        await visit.close(4000 + status)

    return act


async def silent(visit: Visit) -> None:
    await begin(visit)
    await trio.sleep_forever()


async def test_events_are_the_messages() -> None:
    async with servers() as network:
        lines = await follow(await network.open(serve()), take=5)
    assert events(lines) == ALL
    assert lines[-1] == {"end": ALL[-1]["position"]}
    (visit,) = network.visits
    asked = "/api/v1/streams/valid_transactions?detail=position&notices=1"
    assert visit.target == asked


async def test_options_become_parameters() -> None:
    options = {
        **{"fromHeight": 2, "until": 3, "assetId": "a1", "publicKey": ["k1", "k2"]},
        **{"operation": "CREATE", "detail": "full", "emptyBlocks": True},
    }
    async with servers() as network:
        url = await network.open(serve(0, code=1000))
        assert "end" in (await follow(url, options=options))[-1]
    assert network.visits[0].parameters == {
        **{"from_height": ["2"], "until": ["3"], "asset_id": ["a1"]},
        **{"public_key": ["k1", "k2"], "operation": ["CREATE"], "detail": ["full"]},
        **{"empty_blocks": ["1"], "notices": ["1"]},
    }


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({}, None),
        ({"options": {"token": "sécret?~"}}, "trio-stream, bearer.c8OpY3JldD9-"),
        ({"tickets": ["one"]}, "trio-stream, ticket.one"),
    ],
)
async def test_a_token_is_offered_as_a_subprotocol(
    asked: dict[str, Any], offered: str | None
) -> None:
    async with servers() as network:
        await follow(await network.open(serve()), take=5, **asked)
    (visit,) = network.visits
    assert visit.headers.get("sec-websocket-protocol") == offered
    assert "token" not in visit.target


async def test_each_connection_has_a_ticket_of_its_own() -> None:
    async with servers() as network:
        url = await network.open(serve(2), serve())
        assert events(await follow(url, take=5, tickets=["one", "two"])) == ALL
    offered = [visit.headers["sec-websocket-protocol"] for visit in network.visits]
    assert offered == ["trio-stream, ticket.one", "trio-stream, ticket.two"]


async def test_an_error_of_the_ticket_comes_out_as_it_is() -> None:
    async with servers() as network:
        found = error(await follow(await network.open(serve()), tickets=[]))
    assert found["message"] == "there are no more tickets"


@pytest.mark.parametrize(
    ("urls", "options", "told"),
    [
        ("ws://a", {"aftre": "1:0"}, "unknown option aftre; did you mean after?"),
        ("ws://a", {"asset_id": "x"}, "did you mean assetId?"),
        ("ws://a", {"zzz": 1}, "unknown option zzz; stream, after, fromHeight"),
        ("ws://a", {"after": "1:0", "fromHeight": 2}, "not both"),
        ("ws://a", {"checkpointEvery": 0}, "at least 1"),
        ([], {}, "no URL"),
        ("http://a", {}, "a stream is at ws://HOST:PORT"),
        ("a:1", {}, "a stream is at ws://HOST:PORT"),
        ("ws://me@a", {}, "would not be sent"),
        ("ws://a/#b", {}, "would not be sent"),
        ("ws://a?after=1:0", {}, "after is an option"),
        (["ws://a", "ws://b/api/v1/streams/valid_blocks"], {}, "of the same stream"),
    ],
)
async def test_what_cannot_be_meant_is_refused_at_once(
    urls: Any, options: dict[str, Any], told: str
) -> None:
    found = error(await follow(urls, options=options))
    assert found["kind"] == "TypeError"
    assert told in found["message"]


@pytest.mark.parametrize(
    ("urls", "stream", "told"),
    [
        ("ws://a", "event", "unknown stream event; there are valid_transactions,"),
        ("ws://a/s/blocks", "events", "the URL is of the stream blocks, not of events"),
        (["ws://a", "ws://a/s/blocks"], "events", "same stream, not of blocks and ev"),
    ],
)
async def test_streams_that_cannot_be_meant(urls: Any, stream: str, told: str) -> None:
    found = error(await follow(urls, options={"stream": stream}))
    assert (found["kind"], told in found["message"]) == ("TypeError", True)


async def test_options_of_a_followed_chain_become_parameters() -> None:
    options = {
        **{"stream": "events", "query": ["a = 1", "b.c CONTAINS 'x&y'"]},
        **{"sender": "s", "recipient": ["r1", "r2"], "contract": "c"},
        **{"action": "x", "match": "event", "until": 6},
    }
    async with servers() as network:
        await follow(await network.open(feed(code=1000)), options=options)
    (visit,) = network.visits
    assert visit.target.startswith("/api/v1/streams/events?")
    assert visit.parameters == {
        **{"detail": ["position"], "notices": ["1"], "until": ["6"]},
        **{"query": ["a = 1", "b.c CONTAINS 'x&y'"], "sender": ["s"]},
        **{"recipient": ["r1", "r2"], "contract": ["c"]},
        **{"action": ["x"], "match": ["event"]},
    }


@pytest.mark.parametrize("counts", [(2,), (1, 2, 0, 2), (5, 3, 1, 4, 2), (1, 2, 3, 4)])
async def test_events_that_share_positions_come_once_wherever_connections_end(
    counts: tuple[int, ...],
) -> None:
    async with servers() as network:
        url = await network.open(*map(feed, counts), feed())
        lines = await follow(url, take=len(FEED), options={"stream": "events"})
    assert events(lines) == FEED
    assert lines[-1] == {"end": FEED[-1]["position"]}


async def test_positions_are_saved_once_all_their_events_are_done() -> None:
    async with servers() as network:
        url = await network.open(feed())
        options = {"stream": "events"}
        lines = await follow(url, saved=None, take=5, options=options)
    assert lines[-1] == {"end": FEED[3]["position"]}
    places = [FEED[2]["position"], FEED[3]["position"]]
    assert said(lines, "saved") == [BEGINNING, *places]


async def test_an_end_within_a_position_is_a_lost_connection() -> None:
    async with servers() as network:
        url = await network.open(feed(2, code=1000), feed(4, code=1000))
        lines = await follow(url, options={"stream": "events", "until": 1})
    assert events(lines) == FEED[:4]
    assert delays(lines) == [0.2]


FIRST, SECOND, THIRD = unit(5, 0, 3)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([FIRST, FIRST], "event 0 of 5:0 after event 0 of 5:0"),
        ([SECOND, FIRST], "event 0 of 5:0 after event 2 of 5:0"),
        ([*unit(5, 0, 1), FIRST], "event 0 of 5:0 again"),
        (
            [FIRST, *unit(5, None, 1)],
            "went on to event 0 of 5, last was event 0 of 5:0",
        ),
        ([FIRST, message(6, 0)], "went on to 6:0:"),
        ([FIRST, {"notice": "checkpoint", "position": "5:0"}], "went on to 5:0"),
        (
            [THIRD | {"position": "5:1:abcdef12"}],
            "event 4 of 5:0 with the position 5:1",
        ),
        ([FIRST | {"event_index": "1"}], "an event without its place"),
        ([{"event_index": 1}], "an event without its place"),
        ([FIRST, gap(6, 7)], "went on to 7, last was event 0 of 5:0"),
    ],
)
async def test_events_of_a_position_come_whole_and_in_order(
    messages: list[Message], told: str
) -> None:
    async with servers() as network:
        url = await network.open(sending_feed(*messages))
        lines = await follow(url, options={"stream": "events"})
    assert error(lines)["name"] == "ServerFault"
    assert told in error(lines)["message"]
    assert len(events(lines)) == len(messages) - 1


def cut_after(*messages: Message) -> Act:
    async def act(visit: Visit) -> None:
        await begin_feed(visit)
        await visit.send(*messages)

    return act


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (FIRST, SECOND, "event 2 of 5:0, but not event 0 of 5:0 as before"),
        (FIRST, *unit(5, 0, 1), "event 0 of 5:0, but not event 0 of 5:0 as before"),
    ],
)
async def test_another_server_repeats_what_the_caller_has_of_a_position(
    before: Message, after: Message, told: str
) -> None:
    async with servers() as network:
        url = await network.open(cut_after(before), cut_after(after))
        found = error(await follow(url, options={"stream": "events"}))
    assert told in found["message"]


async def test_another_server_may_lack_the_blocks_of_an_unfinished_position() -> None:
    async with servers() as network:
        url = await network.open(cut_after(FIRST), sending_feed(gap(2, 9)))
        lines = await follow(url, take=2, options={"stream": "events"})
    assert events(lines) == [FIRST, gap(2, 9)]


async def test_a_server_that_only_repeats_is_not_asked_at_once_for_ever() -> None:
    async with servers() as network:
        url = await network.open(feed(1), feed(1), feed(1), feed())
        lines = await follow(url, take=3, options={"stream": "events"})
    assert delays(lines) == [0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("count", "size", "comes_again"), [(6_000, 10, False), (40, 1024 * 1024, True)]
)
async def test_a_position_is_read_ahead_to_its_end_unless_it_is_very_large(
    count: int, size: int, comes_again: bool
) -> None:
    every = unit(1, 0, count)
    for event in every:
        event["attributes"] = [{"key": "data", "value": "x" * size}]
    last = str(every[-1]["position"])

    async def act(visit: Visit) -> None:
        asked = visit.asked("after")
        await begin(visit, asked or BEGINNING)
        if asked != last:
            await visit.send(*every)
        await visit.until_gone()

    async with servers() as network:
        url = await network.open(*[act] * 4)
        lines = await follow(url, take=count, hold=True, options={"stream": "events"})
    numbers = [event["event_index"] for event in events(lines)]
    assert numbers == [event["event_index"] for event in every]
    again = BEGINNING if comes_again else last
    assert set(network.asked("after")) <= {None, again}
    assert "full" in said(lines, "state")


async def test_what_one_server_has_pruned_is_fetched_from_another() -> None:
    async with servers() as network:
        urls = [
            await network.open(refusing(410), refusing(410)),
            await network.open(rejecting(503), serve()),
        ]
        lines = await follow(urls, take=5)
    assert events(lines) == ALL
    assert len(network.visits) == 4


async def test_what_all_servers_have_pruned_is_an_error() -> None:
    async with servers() as network:
        urls = [
            await network.open(serve(0, code=4410)),
            await network.open(refusing(410, message="too old", oldest=90)),
        ]
        found = error(await follow(urls))
    assert (found["name"], found["status"]) == ("Refused", 410)
    assert found["details"]["oldest"] == 90


async def test_a_server_without_such_a_stream_is_not_asked_again() -> None:
    async with servers() as network:
        refused = refusing(404, error="unknown_stream", message="it has events")
        found = error(await follow(await network.open(refused)))
    assert found["message"].endswith("refused with 404: it has events")


@pytest.mark.parametrize("counts", [(1, 1), (0, 2), (4,), (2, 0, 0, 1)])
async def test_a_lost_connection_is_resumed_after_the_last_event(
    counts: tuple[int, ...],
) -> None:
    async with servers() as network:
        url = await network.open(*map(serve, counts), serve())
        assert events(await follow(url, take=5)) == ALL
    assert len(network.visits) == len(counts) + 1
    assert network.asked("after")[0] is None


async def test_a_height_to_begin_at_is_asked_for_once() -> None:
    async with servers() as network:
        url = await network.open(serve(1), serve())
        await follow(url, take=3, options={"fromHeight": 1})
    assert network.asked("from_height") == ["1", None]
    assert network.asked("after") == [None, ALL[0]["position"]]


async def test_the_next_server_is_asked_if_one_has_not_got_it() -> None:
    async with servers() as network:
        urls = [
            await network.open(rejecting(503)),
            await network.open(refusing(404)),
            await network.open(serve()),
        ]
        assert events(await follow(urls, take=5)) == ALL
    assert len(network.visits) == 3


@pytest.mark.parametrize("status", [400, 409])
async def test_a_refusal_is_thrown(status: int) -> None:
    async with servers() as network:
        url = await network.open(refusing(status, message="no", tip=3))
        found = error(await follow(url))
    assert (found["kind"], found["name"], found["status"]) == (
        "stream",
        "Refused",
        status,
    )
    assert found["details"]["tip"] == 3
    assert f"{url} refused with {status}: no" == found["message"]


async def test_a_close_that_refuses_is_thrown() -> None:
    async with servers() as network:
        found = error(await follow(await network.open(serve(1, code=4409))))
    assert (found["name"], found["status"]) == ("Refused", 409)


async def test_a_server_without_positions_is_refused() -> None:
    async def as_bigchaindb(visit: Visit) -> None:
        await visit.accept(None)
        await visit.send(ALL[0])
        await visit.until_gone()

    async with servers() as network:
        found = error(await follow(await network.open(as_bigchaindb)))
    assert found["name"] == "NotResumable"


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([message(1, 0), message(1, 0)], "again"),
        ([message(1, 1), message(1, 0)], "a step back"),
        ([{"height": 1, "transaction_id": "a"}], "sent no position, but undefined"),
        ([message(1, 0) | {"position": "earliest"}], "sent no position, but earliest"),
        ([message(1, 0) | {"position": 7}], "sent no position, but 7"),
        (["[1]"], "not a message"),
        (["{"], "not a message"),
        (["null"], "not a message"),
        (
            [message(1, 1), {"notice": "checkpoint", "position": "1:0"}],
            "had been reached",
        ),
    ],
)
async def test_a_server_that_breaks_the_order_is_at_fault(
    messages: list[Any], told: str
) -> None:
    async with servers() as network:
        lines = await follow(await network.open(sending(*messages)))
    assert error(lines)["name"] == "ServerFault"
    assert told in error(lines)["message"]
    assert len(events(lines)) == len(messages) - 1


@pytest.mark.parametrize(
    ("asked", "begun", "good"),
    [
        *[("2", "2", True), ("2", "2::0123abcd", True), ("2:1", "2:1:0123abcd", True)],
        *[("2:1:0123abcd", "2:1:0123ABCD", True), ("0", "4", True)],
        *[("2:1:0123abcd", "2:1:0123abce", False), ("2", "3", False)],
        *[("6", "5", False), ("2:1", "2", False)],
    ],
)
async def test_a_stream_begins_where_it_was_asked_to(
    asked: str, begun: str, good: bool
) -> None:
    act = beginning(begun, oldest=5 if begun == "4" else 1)
    async with servers() as network:
        url = await network.open(act, refusing(400))
        options = {"after": asked, "silenceTimeout": 100}
        found = error(await follow(url, options=options))
    assert found["name"] == ("Refused" if good else "ServerFault")


async def test_a_server_of_another_chain_is_at_fault() -> None:
    async with servers() as network:
        other = beginning(str(ALL[0]["position"]), chain="other")
        found = error(await follow(await network.open(serve(1), other)))
    assert found["name"] == "ServerFault"
    assert "is of the chain other, not of scripted" in found["message"]


async def test_the_requested_end_ends_it() -> None:
    async with servers() as network:
        url = await network.open(serve(2), serve(code=1000))
        lines = await follow(url, options={"until": "tip"})
    assert events(lines) == ALL
    assert "end" in lines[-1]
    # The end stays where it was.
    assert network.asked("until") == ["tip", "3"]


async def test_the_end_may_have_been_reached_when_the_connection_is_lost() -> None:
    async def act(visit: Visit) -> None:
        await begin(visit)
        await visit.send(*ALL)
        await visit.notice("checkpoint", end_of(3))

    async with servers() as network:
        lines = await follow(await network.open(act), options={"until": 3})
    assert events(lines) == ALL
    assert lines[-1] == {"end": end_of(3)}


async def test_a_close_without_an_end_is_a_lost_connection() -> None:
    async with servers() as network:
        url = await network.open(serve(2, code=1000), serve(2, code=1001), serve())
        assert events(await follow(url, take=5)) == ALL


async def test_attempts_come_at_growing_distances() -> None:
    async with servers() as network:
        url = await network.open(*[rejecting(503)] * 10, refusing(400))
        lines = await follow(url)
    assert delays(lines) == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]


async def test_all_servers_are_tried_before_the_distance_grows() -> None:
    async with servers() as network:
        first = await network.open(rejecting(503), rejecting(503), refusing(400))
        second = await network.open(rejecting(503), rejecting(503))
        lines = await follow([first, second])
    assert delays(lines) == [0.2, 0.2, 0.4, 0.4]


async def test_an_event_makes_the_distance_small_again() -> None:
    async with servers() as network:
        url = await network.open(
            rejecting(503), rejecting(503), serve(1), serve(1), refusing(400)
        )
        assert delays(await follow(url)) == [0.2, 0.4, 0.2, 0.2]


async def test_a_silent_server_is_left() -> None:
    async with servers() as network:
        url = await network.open(silent, serve())
        lines = await follow(url, take=5, options={"silenceTimeout": 100})
    assert events(lines) == ALL
    assert "silent" in said(lines, "state")
    assert delays(lines) == []


async def test_a_silent_server_gives_way_to_the_next_one() -> None:
    async with servers() as network:
        urls = [await network.open(silent), await network.open(serve())]
        lines = await follow(urls, take=5, options={"silenceTimeout": 100})
    assert events(lines) == ALL


async def test_a_server_that_does_not_answer_is_left() -> None:
    async def mute(visit: Visit) -> None:
        await trio.sleep_forever()

    async with servers() as network:
        url = await network.open(mute, serve())
        lines = await follow(url, take=5, options={"connectTimeout": 200})
    assert events(lines) == ALL
    assert "no answer within 200 seconds" in said(lines, "reason")


async def test_a_slow_caller_holds_little_and_misses_nothing() -> None:
    every = [message(height, 0) for height in range(1, 8_001)]
    places = {event["position"]: index for index, event in enumerate(every, 1)}

    async def act(visit: Visit) -> None:
        asked = visit.asked("after")
        seen = places[asked] if asked else 0
        await begin(visit, asked or BEGINNING, tip=8_000)
        frames = FrameProtocol(client=False, extensions=[])
        texts = map(json.dumps, every[seen:])
        sent = (bytes(frames.send_data(text, fin=True)) for text in texts)
        await visit.stream.send_all(b"".join(sent))
        await visit.until_gone()

    async with servers() as network:
        url = await network.open(*[act] * 4)
        lines = await follow(url, take=8_000, hold=True)
    assert events(lines) == every
    assert len(network.visits) > 1


async def test_a_position_is_saved_when_the_caller_asks_for_more() -> None:
    async with servers() as network:
        lines = await follow(await network.open(serve(code=1000)), saved=None, take=3)
    kept = [line for line in lines if "event" in line or "saved" in line]
    order = [line.get("saved") or line["event"]["position"] for line in kept]
    first, second, third = (event["position"] for event in ALL[:3])
    # The third is in hand when the loop is left.
    assert order == [BEGINNING, first, first, second, second, third]


async def test_an_event_that_the_caller_fails_on_is_not_saved() -> None:
    async with servers() as network:
        lines = await follow(await network.open(serve()), saved=None, fail=2)
    assert said(lines, "saved")[-1] == ALL[0]["position"]
    assert error(lines)["message"] == "the caller failed"


async def test_positions_are_saved_less_often_if_wanted() -> None:
    async with servers() as network:
        lines = await follow(
            await network.open(serve()),
            **{"saved": None, "take": 5, "options": {"checkpointEvery": 3}},
        )
    assert len(said(lines, "saved")) < 5


async def test_a_saved_position_is_where_it_goes_on() -> None:
    async with servers() as network:
        url = await network.open(serve())
        options = {"fromHeight": 1}
        lines = await follow(url, saved=ALL[1]["position"], take=3, options=options)
    assert events(lines) == ALL[2:]
    assert network.asked("from_height") == [None]


async def test_an_error_of_the_checkpoint_comes_out_as_it_is() -> None:
    async with servers() as network:
        url = await network.open(serve())
        lines = await follow(url, saved=None, brokenSave=True)
        assert error(lines)["message"] == "the store is full"
        found = error(await follow(await network.open(serve()), saved="nonsense"))
    assert "the checkpoint holds no position, but nonsense" in found["message"]


async def test_notices_move_the_position_on() -> None:
    async def act(visit: Visit) -> None:
        await begin(visit)
        await visit.notice("caught_up", end_of(2))
        await visit.notice("checkpoint", end_of(7))

    async with servers() as network:
        url = await network.open(act, refusing(400))
        lines = await follow(url, saved=None, options={"assetId": "a"})
    assert said(lines, "saved")[-1] == end_of(7)
    assert network.asked("after") == [None, end_of(7)]
    states = [line.get("state") for line in lines]
    assert {"connecting", "subscribed", "caught_up", "checkpoint"} <= set(states)


async def test_leaving_closes_the_connection() -> None:
    codes: list[int | None] = []

    async def act(visit: Visit) -> None:
        await begin(visit)
        await visit.send(*ALL)
        codes.append(await visit.until_gone())

    async with servers() as network:
        assert "end" in (await follow(await network.open(act), take=1))[-1]
    assert len(network.visits) == 1
