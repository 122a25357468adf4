"""The way to the streams over HTTP: who is served, how many, and how they end."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.http.streaming import EVENTS, Server, datas, served
from tests.websocket.subscribing import end_of, texts_of
from tests.websocket_peer import PATH
from trio_stream.stream.admission import Admission


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


async def test_who_disconnects_within_a_body_is_not_answered() -> None:
    async with served(blocks=1) as server:
        subscriptions = server.app.subscriptions
        headers = [(b"accept", b"text/event-stream")]
        scope = {"path": PATH, "query_string": b"", "headers": headers}
        serve = subscriptions.door_of({**scope, "client": None})
        assert serve is not None

        async def receive() -> dict[str, str]:
            await trio.lowlevel.checkpoint()
            assert subscriptions.present == 1
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            await trio.lowlevel.checkpoint()
            raise AssertionError(message)

        await serve(receive, send)
        assert subscriptions.present == 0


async def test_what_a_peer_still_sends_does_not_end_its_stream() -> None:
    async with served(blocks=1) as server:
        headers = [(b"accept", b"text/event-stream")]
        scope = {"path": PATH, "query_string": b"after=earliest", "headers": headers}
        serve = server.app.subscriptions.door_of({**scope, "client": None})
        assert serve is not None
        coming: list[str] = ["http.request", "http.request", "http.disconnect"]
        sent: list[bytes] = []

        async def receive() -> dict[str, Any]:
            await wait_all_tasks_blocked()
            if coming[0] == "http.disconnect":
                assert b"".join(sent).count(b"data: ") == 3
            return {"type": coming.pop(0)}

        async def send(message: dict[str, Any]) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message.get("body", b""))

        await serve(receive, send)
        assert server.app.subscriptions.present == 0


async def test_who_was_refused_takes_no_place() -> None:
    admission = Admission(total=1)
    async with served(admission=admission) as server:
        for query in ("?after=x", "?after=500"):
            await (await server.listen(PATH + query)).whole()
            await (await server.ask(EVENTS + query)).whole()
        await until(lambda: not admission.present)
        assert (await server.listen(PATH)).status == 200


@pytest.mark.parametrize("path", [EVENTS, f"{PATH}?until=tip"])
async def test_a_connection_closes_after_its_last_answer(path: str) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(path, Connection="close")
        await answer.whole()
        with trio.fail_after(60):
            assert await answer.stream.receive_some() == b""


async def test_clients_that_come_and_go_fill_no_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with served(blocks=1) as server:
        for _ in range(70):
            await (await server.listen(f"{PATH}?until=tip")).whole()
            await (await server.ask(EVENTS)).whole()
        await until(lambda: not server.app.lasting())
    assert caplog.messages.count("127.0.0.1: subscribed by sse") == 60
    assert caplog.messages.count("127.0.0.1: sse ended") == 60
    assert not any("poll" in each for each in caplog.messages)
