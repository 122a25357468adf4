"""Server-Sent Events and pulls, over the real server, in front of a log in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from urllib.parse import quote

import h11
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.memory_log import CHAIN, KEYS, MemoryLog, app_hash, event
from tests.websocket.test_resume import end_of, position_of, texts_of
from tests.websocket_peer import PATH, Peer, comes_true
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http import api
from trio_stream.http import server as http_server
from trio_stream.http.events import EventStreams
from trio_stream.stream.admission import Admission
from trio_stream.stream.selection import Stream

BLOCKS = "/api/v1/streams/valid_blocks"
REFUSED = "/api/v1/streams/refused_transactions"
EVENTS = "/api/v1/events"


@dataclass
class Answer:
    """An answer whose body may still be coming."""

    stream: trio.abc.Stream
    http: h11.Connection
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    data: bytes = b""

    async def begin(self) -> Self:
        found = await self._next()
        assert isinstance(found, h11.Response)
        self.status = found.status_code
        self.headers = {n.decode(): v.decode() for n, v in found.headers}
        return self

    async def _next(self) -> Any:
        while (found := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(bytes(await self.stream.receive_some()))
        return found

    async def whole(self) -> bytes:
        while isinstance(found := await self._next(), h11.Data):
            self.data += bytes(found.data)
        assert isinstance(found, h11.EndOfMessage)
        return self.data

    async def event(self) -> dict[str, str]:
        """The next event that is no comment, as its fields."""
        while True:
            while b"\n\n" not in self.data:
                found = await self._next()
                if isinstance(found, h11.EndOfMessage):
                    raise trio.EndOfChannel
                self.data += bytes(found.data)
            block, _, self.data = self.data.partition(b"\n\n")
            lines = [x.partition(": ") for x in block.decode().split("\n") if x != ":"]
            if lines:
                return {name: value for name, _, value in lines}

    async def messages(self, count: int) -> list[dict[str, str]]:
        """The next so many events with data."""
        found: list[dict[str, str]] = []
        while len(found) < count:
            got = await self.event()
            if "data" in got:
                found.append(got)
        return found


@dataclass
class Server:
    log: MemoryLog
    channel: CommitChannel
    app: api.Api
    port: int
    stop: trio.Event = field(default_factory=trio.Event)
    channel_stop: trio.Event = field(default_factory=trio.Event)
    answered: trio.Event = field(default_factory=trio.Event)
    streams: list[trio.abc.Stream] = field(default_factory=list)

    async def ask(
        self,
        path: str,
        method: str = "GET",
        receive_buffer: int | None = None,
        **headers: str,
    ) -> Answer:
        peer = await Peer.connect(self.port, receive_buffer=receive_buffer)
        stream = peer.stream
        self.streams.append(stream)
        http = h11.Connection(h11.CLIENT)
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        target = h11.Request(
            method=method, target=path, headers=[("Host", "x"), *fields]
        )
        sent = http.send(target), http.send(h11.EndOfMessage())
        await stream.send_all(b"".join(part or b"" for part in sent))
        return await Answer(stream, http).begin()

    async def listen(
        self, path: str, receive_buffer: int | None = None, **headers: str
    ) -> Answer:
        accept = "text/event-stream"
        return await self.ask(
            path, receive_buffer=receive_buffer, Accept=accept, **headers
        )

    async def pull(self, query: str = "") -> Any:
        answer = await self.ask(EVENTS + query)
        return json.loads(await answer.whole())

    def commit(self, events: int = 1) -> None:
        self.channel.advance(self.log.commit(events))


@asynccontextmanager
async def served(
    *, tail_bytes: int = 1 << 20, blocks: int = 0, **more: Any
) -> AsyncIterator[Server]:
    log = MemoryLog()
    for _ in range(blocks):
        log.commit(3)
    channel = CommitChannel(log, tail_bytes=tail_bytes)
    app = api.Api(
        reader=None,  # type: ignore[arg-type]  # no test here looks anything up
        engine=None,  # type: ignore[arg-type]  # or posts
        checks=None,  # type: ignore[arg-type]
        channel=channel,
        streams_url="ws://localhost:9985/api/v1/streams/valid_transactions",
        commit_timeout=1,
        max_body_bytes=1000,
        **more,
    )
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = Server(log, channel, app, port)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=server.channel_stop))
        serve = partial(
            http_server.serve,
            app,
            listeners,
            tls=None,
            limits=http_server.HttpLimits(),
            stop=server.stop,
            lasting=app.lasting,
            answered=server.answered,
        )
        await nursery.start(serve)
        try:
            yield server
        finally:
            for stream in server.streams:
                await trio.aclose_forcefully(stream)
            server.stop.set()
            server.channel_stop.set()


def datas(found: list[dict[str, str]]) -> list[str]:
    return [each["data"] for each in found]


# Server-Sent Events


async def test_a_stream_begins_with_its_facts() -> None:
    async with served(blocks=2) as server:
        answer = await server.listen(f"{PATH}?after=1:0", Origin="http://a")

        assert answer.status == 200
        position = position_of(server.log, 1, 0)
        assert answer.headers.items() >= {
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
            ("access-control-allow-origin", "http://a"),
            ("stream-position", position),
            ("stream-tip", "2"),
            ("stream-oldest", "1"),
            ("stream-chain", CHAIN),
        }
        assert 1000 <= int((await answer.event())["retry"]) <= 4000


@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"{PATH}?detail=position",
        f"{PATH}?detail=full",
        f"{PATH}?public_key={KEYS[0]}",
        f"{PATH}?operation=CREATE&detail=position",
        f"{BLOCKS}?empty_blocks=1",
        f"{BLOCKS}?detail=position",
        REFUSED,
        f"{REFUSED}?detail=position",
    ],
)
async def test_messages_are_the_same_as_on_the_websocket(
    path: str, tail_bytes: int
) -> None:
    async with served(tail_bytes=tail_bytes) as server:
        live = await server.listen(path)
        await wait_all_tasks_blocked()
        for events, refusals in [(3, [0]), (0, []), (4, [1, 2]), (1, [])]:
            height = server.log.commit(events, refused=refusals)
            server.channel.advance(height)
            await wait_all_tasks_blocked()
        joint = "&" if "?" in path else "?"
        late = await server.listen(f"{path}{joint}after=earliest")

        wanted = texts_of(server.log, path)
        for answer in (live, late):
            assert datas(await answer.messages(len(wanted))) == wanted


async def test_each_message_has_its_position_as_id() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest")

        found = await answer.messages(3)

        assert [each["id"] for each in found] == [
            position_of(server.log, 1, index) for index in range(3)
        ]


async def test_the_last_id_wins_over_the_query() -> None:
    async with served(blocks=3) as server:
        for query in ("?after=earliest", "?from_height=1", ""):
            answer = await server.listen(PATH + query, Last_Event_ID="2:1")
            assert datas(await answer.messages(4)) == texts_of(server.log, PATH)[5:]


@pytest.mark.parametrize(
    "query",
    [
        "lastEventId=2%3A1",
        "after=earliest&Last-Event-ID=2:1",
        "last-event-id=2:1&from_height=1",
        "lastEventId=1:1&detail=position&lastEventId=2:1",
    ],
)
async def test_the_last_id_may_be_said_in_the_query(query: str) -> None:
    async with served(blocks=3) as server:
        answer = await server.listen(f"{PATH}?{query}")
        found = [json.loads(data) for data in datas(await answer.messages(4))]
        wanted = [json.loads(text) for text in texts_of(server.log, PATH)[5:]]
        ids = "transaction_id"
        assert [each[ids] for each in found] == [each[ids] for each in wanted]


async def test_of_two_last_ids_that_of_the_header_counts() -> None:
    async with served(blocks=3) as server:
        path = f"{PATH}?lastEventId=1:1"
        answer = await server.listen(path, Last_Event_ID="2:1")
        assert datas(await answer.messages(4)) == texts_of(server.log, PATH)[5:]
        for nothing in ("?lastEventId=", "?lastEventId"):
            answer = await server.listen(f"{PATH}{nothing}&after=earliest")
            assert datas(await answer.messages(9)) == texts_of(server.log, PATH)


@pytest.mark.parametrize("last", ["refused", "end"])
async def test_who_says_in_the_query_that_it_was_refused_gets_204(last: str) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest&lastEventId={last}")
        assert (answer.status, await answer.whole()) == (204, b"")


async def test_who_uses_fetch_for_that_gets_a_status_with_a_body() -> None:
    # event-source-polyfill 1.0.31 comes again for ever after 204.
    async with served(blocks=1) as server:
        path = f"{PATH}?lastEventId=refused"
        answer = await server.listen(path, Sec_Fetch_Mode="cors")
        assert (answer.status, await answer.whole()) == (410, b"")
        # Browsers' own clients say it in the header.
        answer = await server.listen(PATH, Last_Event_ID="end", Sec_Fetch_Mode="cors")
        assert answer.status == 204


@pytest.mark.parametrize("last", ["x", "%00", "\xff"])
async def test_a_last_id_in_the_query_that_is_none_is_refused(last: str) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?lastEventId={quote(last)}")
        told = await answer.event()
        assert (told["event"], told["id"]) == ("refused", "refused")


async def test_an_empty_last_id_says_nothing() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest", Last_Event_ID="")
        assert datas(await answer.messages(3)) == texts_of(server.log, PATH)


@pytest.mark.parametrize(
    ("query", "last", "error"),
    [
        ("?since=1", "", "bad_request"),
        ("", "x", "bad_request"),
        ("?after=1::12345678", "", "other_history"),
        ("?after=" + "0" * 64, "", "unknown_transaction"),
    ],
)
async def test_a_refusal_is_an_event_and_the_retry_gets_204(
    query: str, last: str, error: str
) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(PATH + query, Last_Event_ID=last)
        assert answer.status == 200
        told = await answer.event()
        assert told["event"] == told["id"] == "refused"
        assert json.loads(told["data"])["error"] == error
        await answer.whole()

        again = await server.listen(PATH + query, Last_Event_ID=told["id"])
        assert (again.status, await again.whole()) == (204, b"")


async def test_who_is_ahead_may_come_again() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=500")

        assert 11_000 <= int((await answer.event())["retry"]) <= 14_000
        told = await answer.event()
        assert json.loads(told["data"])["error"] == "ahead"
        assert "id" not in told


async def test_another_history_may_show_later() -> None:
    async with served() as server:
        answer = await server.listen(f"{PATH}?after=1::12345678")
        await answer.event()
        server.commit()

        assert (await answer.event())["event"] == "refused"
        await answer.whole()


async def test_an_end_that_was_asked_for_is_said() -> None:
    async with served(blocks=3) as server:
        answer = await server.listen(f"{PATH}?from_height=2&until=2")

        assert datas(await answer.messages(3)) == texts_of(server.log, PATH)[3:6]
        assert await answer.event() == {"id": end_of(2)}
        told = await answer.event()
        assert (told["event"], told["id"]) == ("end", "end")
        assert json.loads(told["data"]) == {"position": end_of(2)}
        await answer.whole()
        again = await server.listen(PATH, Last_Event_ID="end")
        assert again.status == 204


async def test_notices_are_events_of_their_own() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest&notices=1")

        found = await answer.messages(5)

        notices = [x for x in found if x.get("event") == "notice"]
        kinds = [json.loads(x["data"])["notice"] for x in notices]
        assert kinds == ["subscribed", "caught_up"]
        assert notices[1]["id"] == end_of(1)


async def test_a_position_is_told_while_nothing_matches(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        answer = await server.listen(f"{PATH}?asset_id={'0' * 64}")
        await wait_all_tasks_blocked()
        for _ in range(3):
            server.commit()
        assert "retry" in await answer.event()
        while (told := await answer.event()) != {"id": end_of(3)}:
            assert told == {"id": "0::0a0a0a0a"}  # caught up, before the first block


async def test_a_silent_stream_is_kept_open_by_comments(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        answer = await server.listen(PATH)
        began = trio.current_time()
        while b"\n:\n\n" not in answer.data:
            answer.data += bytes((await answer._next()).data)
        assert trio.current_time() - began <= 20


async def test_what_is_written_slowly_is_not_lost(patient_clock: MockClock) -> None:
    async with served() as server:
        written: list[bytes] = []

        async def send(message: Mapping[str, Any]) -> None:
            await trio.sleep(3)  # so that deadlines of any kind pass meanwhile
            written.append(message.get("body", b""))

        async with trio.open_nursery() as nursery:
            streams = EventStreams(server.channel)
            path = Stream.VALID_TRANSACTIONS
            nursery.start_soon(streams.serve, path, "after=earliest", {}, send)
            for _ in range(8):
                await trio.sleep(7)
                server.commit()
            await trio.sleep(24)
            nursery.cancel_scope.cancel()

        lines = b"".join(written).decode().split("\n")
        got = [x.removeprefix("data: ") for x in lines if x.startswith("data: ")]
        assert got == texts_of(server.log, PATH)


async def test_a_reader_that_stalls_is_cut_after_its_time(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        stalled = await server.listen(PATH, receive_buffer=4096)
        await wait_all_tasks_blocked()
        server.commit(30_000)  # more than the sockets' buffers hold
        await trio.sleep(59)
        assert server.app.lasting() == 1

        # The kernel may find room for some bytes more, which is progress.
        assert await comes_true(lambda: not server.app.lasting(), seconds=300)
        assert stalled.status == 200


async def test_browsers_do_not_come_back_all_at_once() -> None:
    async with served() as server:
        answers = [await server.listen(PATH) for _ in range(8)]

        waits = {(await answer.event())["retry"] for answer in answers}

        assert len(waits) > 1


async def test_a_client_that_goes_away_is_forgotten() -> None:
    async with served() as server:
        answer = await server.listen(PATH)
        await answer.event()
        assert server.app.lasting() == 1
        await answer.stream.aclose()
        await wait_all_tasks_blocked(0.01)
        assert server.app.lasting() == 0


async def test_a_stop_lets_streams_have_their_last_messages() -> None:
    async with served() as server:
        answer = await server.listen(PATH)
        await answer.event()
        await wait_all_tasks_blocked()
        server.stop.set()
        await server.answered.wait()
        server.commit()
        server.channel_stop.set()

        assert datas(await answer.messages(1)) == texts_of(server.log, PATH)
        assert await answer.event() == {"id": end_of(1)}
        await answer.whole()


async def test_without_the_media_type_there_is_a_hint() -> None:
    async with served() as server:
        for accept in ("*/*", "text/html,application/xhtml+xml"):
            answer = await server.ask(PATH, Accept=accept)
            assert answer.status == 406
            assert b"text/event-stream" in await answer.whole()
        answer = await server.ask("/api/v1/streams/other", Accept="text/event-stream")
        assert answer.status == 404


@pytest.mark.parametrize("path", [PATH, EVENTS])
async def test_a_page_may_ask_before_it_asks(path: str) -> None:
    async with served() as server:
        answer = await server.ask(
            path,
            "OPTIONS",
            Origin="http://a",
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="Last-Event-ID",
        )
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "http://a"
        assert answer.headers["access-control-allow-headers"] == "Last-Event-ID"


# Pulls


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


# Limits


async def until(found: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not found():  # noqa: ASYNC110  # nobody else can say so
            await trio.lowlevel.checkpoint()


WAYS = {
    "events": (PATH, {"Accept": "text/event-stream"}),
    "pull": (EVENTS + "?wait=30", {"Accept": "*/*"}),
}


async def follow(server: Server, way: str, **headers: str) -> trio.SocketStream:
    """A client that follows the channel until it is closed."""
    path, fields = WAYS[way]
    lines = [f"GET {path} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in {**fields, **headers}.items()]
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    server.streams.append(stream)
    present = server.app.subscriptions.present
    await stream.send_all("\r\n".join([*lines, "", ""]).encode())
    await until(lambda: server.app.subscriptions.present > present)
    await wait_all_tasks_blocked(0.01)
    return stream


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("other", WAYS)
@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"admission": {"total": 2}}, 503),
        ({"admission": {"per_address": 2}}, 429),
        ({"max_streams": 2}, 503),
    ],
)
async def test_one_too_many_is_told_to_come_again(
    way: str, other: str, limits: dict[str, Any], status: int
) -> None:
    if "admission" in limits:
        limits = {"admission": Admission(**limits["admission"])}
    async with served(**limits) as server:
        first = await follow(server, way)
        await follow(server, other)

        path, fields = WAYS[other]
        answer = await server.ask(
            path, Accept=fields["Accept"], Origin="http://page.example"
        )
        assert answer.status == status
        assert answer.headers["retry-after"] == "10"
        assert answer.headers["access-control-allow-origin"] == "http://page.example"
        assert "Too many" in json.loads(await answer.whole())["message"]
        # What is no subscription has its answer all the same.
        assert (await server.ask("/api/v1")).status == 200

        await first.aclose()
        await until(lambda: server.app.subscriptions.present == 1)
        await follow(server, way)


async def test_clients_of_the_websocket_door_count_too() -> None:
    admission = Admission(total=1)
    async with served(admission=admission) as server:
        assert admission.enter("1.2.3.4") is None
        assert (await server.listen(PATH)).status == 503
        admission.leave("1.2.3.4")
        assert (await server.listen(PATH)).status == 200
        assert admission.present == 1


async def test_clients_behind_a_trusted_proxy_are_told_apart() -> None:
    admission = Admission(per_address=1, trusted_proxies=["127.0.0.0/8"])
    async with served(admission=admission) as server:
        for address, status in (("1.1.1.1", 200), ("2.2.2.2", 200), ("1.1.1.1", 429)):
            answer = await server.listen(PATH, X_Forwarded_For=f"9.9.9.9, {address}")
            assert answer.status == status


async def test_who_was_refused_takes_no_place() -> None:
    admission = Admission(total=1)
    async with served(admission=admission) as server:
        for query in ("?after=x", "?after=500"):
            await (await server.listen(PATH + query)).whole()
            await (await server.ask(EVENTS + query)).whole()
        await until(lambda: not admission.present)
        assert (await server.listen(PATH)).status == 200


def test_hashes_of_these_logs_differ() -> None:
    assert app_hash(1) != app_hash(2) != event(1, 0).transaction_id
