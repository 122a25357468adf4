"""WebSockets at the HTTP server's port: it reads the request, and another server does the rest."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests import http_door
from tests.tls_contexts import tls_contexts
from tests.websocket_door import Door, open_door
from tests.websocket_peer import CLOSE, PING, PONG, UPGRADE, Peer, frame, request
from trio_stream.http.places import GRACE
from trio_stream.stream.admission import Admission

GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
# Hypercorn answers this one.
NOT_PLAIN = GET.replace(b"Host", b"TE: trailers\r\nHost")


async def is_served(peer: Peer, door: Door) -> None:
    """It gets what is committed from now on, and its Ping is answered."""
    known = door.log.height
    door.commit(2)
    assert await peer.texts(2) == door.texts(after=known)
    await peer.send(frame(PING, b"?"))
    assert await peer.next() == (PONG, b"?")


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_request_in_pieces_becomes_a_websocket(size: int) -> None:
    async with open_door(by_http=True) as door:
        peer = await door.connect()
        said = request()
        for at in range(0, len(said), size):
            await peer.send(said[at : at + size])
            await wait_all_tasks_blocked(0)
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        await is_served(peer, door)
        await peer.send(frame(CLOSE, b"\x03\xe8"))
        assert (await peer.next())[0] == CLOSE


@pytest.mark.parametrize("before", [GET, NOT_PLAIN, GET + NOT_PLAIN])
async def test_requests_before_it_are_answered(before: bytes) -> None:
    async with open_door(by_http=True) as door:
        peer = await door.connect()
        await peer.send(before + request())
        said = b""
        while b" 101 " not in said.rpartition(b"HTTP/1.1")[2]:
            said += await peer.read_head()
        assert said.count(b"HTTP/1.1 404 ") == before.count(b"GET")
        await is_served(peer, door)


async def test_frames_right_behind_the_request_are_answered_after_the_101() -> None:
    async with open_door(by_http=True) as door:
        peer = await door.subscribe(early=frame(PING, b"early"))
        assert await peer.next() == (PONG, b"early")
        await is_served(peer, door)


async def test_an_invalid_upgrade_gets_the_answers_of_the_other_port() -> None:
    wrong = UPGRADE | {"Sec-WebSocket-Version": "12"}
    answers = []
    for by_http in (False, True):
        async with open_door(by_http=by_http) as door:
            peer = await door.connect()
            await peer.send(request(headers=wrong))
            head, _, body = (await peer.read_all()).partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if b"Date:" not in line]
            answers.append((lines, body))
    assert answers[0] == answers[1]
    assert answers[0][0][0] == b"HTTP/1.1 400 Bad Request"


async def test_limits_count_the_clients_of_both_ports(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    admission = Admission(per_address=1)
    async with open_door(by_http=True, admission=admission) as door:
        await door.subscribe()
        peer = await door.connect()
        await peer.send(request())
        head = await peer.read_head()
        assert head.startswith(b"HTTP/1.1 429 ") and b"\r\nRetry-After: 10\r\n" in head
        assert "refused with status 429" in caplog.text


async def test_at_a_stop_it_gets_everything_and_a_close() -> None:
    async with open_door(by_http=True) as door:
        peer = await door.subscribe()
        door.stop.set()
        await wait_all_tasks_blocked()
        door.commit(3)
        door.channel_stop.set()
        assert await peer.texts(3) == door.texts()
        assert await peer.next() == (CLOSE, (1001, ""))
        await peer.send(frame(CLOSE, b"\x03\xe9"))


async def test_nobody_is_handed_over_once_the_other_server_has_stopped() -> None:
    async with open_door(by_http=True) as door:
        door.stop.set()
        await wait_all_tasks_blocked()
        peer = await door.connect()
        await peer.send(request())
        head = await peer.read_head()
        assert head.startswith(b"HTTP/1.1 503 ") and b"retry-after: 5\r\n" in head


async def test_over_tls(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    async with open_door(by_http=True, tls=server, client_tls=client) as door:
        peer = await door.subscribe(early=frame(PING, b"early"))
        assert await peer.next() == (PONG, b"early")
        await is_served(peer, door)
        door.commit(3_000)
        assert len(await peer.texts(3_000)) == 3_000
        late = await door.connect()
        await late.send(request()[:9])
        door.stop.set()
        await wait_all_tasks_blocked()
        await late.send(request()[9:])
        with pytest.raises((trio.BrokenResourceError, AssertionError)):
            assert await late.stream.receive_some()


async def test_who_still_waits_for_a_turn_at_a_stop_is_cut() -> None:
    turn = trio.Event()
    async with http_door.opened(turn=turn.wait) as door:
        async with await door.connect() as peer:
            await peer.send_all(http_door.GET)
            await wait_all_tasks_blocked(0.01)
            door.stop.set()
            with trio.fail_after(30), suppress(trio.BrokenResourceError):
                assert not await peer.receive_some()
            # Only now would it have been served.
            turn.set()


async def test_who_owes_a_request_gives_way_with_an_answer(
    patient_clock: MockClock,
) -> None:
    async with http_door.opened(max_connections=1) as door:
        async with await door.connect() as slow:
            await slow.send_all(http_door.GET[:10])
            await trio.sleep(GRACE + 1)
            assert (await door.ask(http_door.GET)).endswith(b"<0>")
            answer = await http_door.everything(slow)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 5\r\n" in answer
