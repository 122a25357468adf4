"""How long the HTTP server waits for its peers, and what it answers when their time is up."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.http_door import everything, opened
from trio_stream.http.patience import Owed, Peer
from trio_stream.http.places import NO_ROOM, HttpGuest, HttpPlaces
from trio_stream.http.server import HttpLimits
from trio_stream.net.room import PATIENCE

FORMS = {
    "1.0": b" HTTP/1.0\r\n\r\n",
    "1.0 as nginx": b" HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n",
    "1.0 keep-alive": b" HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "1.1 close": b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "1.1 close, and more": b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n\r\n",
    "1.1 keep-alive": b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "1.1 pipelined": b" HTTP/1.1\r\nHost: a\r\n\r\nGET / HT",
    "1.1 upgrade": b" HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("path", [b"/hold", b"/front/hold"])
@pytest.mark.parametrize("form", FORMS)
async def test_an_answer_may_take_its_time_whatever_the_form(
    form: str, path: bytes, patient_clock: MockClock
) -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(b"GET " + path + FORMS[form])
        await trio.sleep(1000)
        assert door.under_way == 1
        door.go.set()
        data = b""
        while b"<0>" not in data:
            more = await stream.receive_some()
            assert more, data
            data += more
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("path", [b"/hold", b"/front/hold"])
async def test_nor_does_the_answer_to_a_second_one(
    path: bytes, patient_clock: MockClock
) -> None:
    async with opened() as door, await door.connect() as stream:
        request = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
        await stream.send_all(request * 2 + request.replace(b"/a", path))
        await trio.sleep(1000)
        assert door.under_way == 1
        door.go.set()
        data = b""
        while data.count(b"<0>") < 3:
            more = await stream.receive_some()
            assert more, data
            data += more


HEAD = b"GET /front HTTP/1.1\r\nHost: a\r\nX-Long: " + b"y" * 1000
POST = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("begins", "drips", "within"),
    [
        (b"", HEAD, 10),
        (POST % b"/front", b"z" * 999, 21),
        (POST % b"/", b"z" * 999, 21),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nz\r\n" * 100,
            21,
        ),
    ],
)
async def test_a_client_that_drips_is_answered_408(
    begins: bytes, drips: bytes, within: float, patient_clock: MockClock
) -> None:
    async with opened() as door, await door.connect() as stream:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drip, stream, begins, drips)
            data = await everything(stream)
            nursery.cancel_scope.cancel()
        # It lingers for those who are still sending.
        assert within - 1 < trio.current_time() - began < within + 5
        assert data.startswith(b"HTTP/1.1 408 REQUEST TIMEOUT\r\n")
        assert b"\r\nconnection: close\r\n" in data
        assert data.endswith(b'"status":408}\n')


async def _drip(stream: trio.SocketStream, begins: bytes, drips: bytes) -> None:
    try:
        await stream.send_all(begins)
        for byte in drips:
            await stream.send_all(bytes([byte]))
            await trio.sleep(2)
    except trio.BrokenResourceError:
        pass


@pytest.mark.slow
async def test_a_body_that_comes_fast_enough_may_take_long(
    patient_clock: MockClock,
) -> None:
    request = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n"
    for path in (b"/front", b"/"):
        async with opened() as door, await door.connect() as stream:
            await stream.send_all(request % path)
            for _ in range(10):
                await trio.sleep(10)
                await stream.send_all(b"z" * 50_000)
            assert b"<500000>" in await stream.receive_some()


async def test_time_in_which_we_are_not_ready_is_not_the_peers(
    patient_clock: MockClock,
) -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(
            b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\n"
        )
        await trio.sleep(1000)
        door.go.set()
        await trio.sleep(5)
        await stream.send_all(b"Host: a\r\nContent-Length: 4\r\n\r\nab")
        await trio.sleep(15)
        await stream.send_all(b"cd")
        data = await stream.receive_some()
        while b"<4>" not in data:
            data += await stream.receive_some()


async def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(
    patient_clock: MockClock,
) -> None:
    async with opened() as door:
        for request in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD + b"\r\n\r\n"):
            began = trio.current_time()
            data = await door.ask(request)
            assert trio.current_time() - began == pytest.approx(75, abs=2)
            assert data.count(b"HTTP/1.1") == bool(request)


async def test_bytes_after_the_last_request_are_not_read_for_ever(
    patient_clock: MockClock,
) -> None:
    async with opened() as door, await door.connect() as stream:
        await stream.send_all(b"GET /hold" + FORMS["1.1 close"])
        await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.move_on_after(60) as patience:
            await stream.send_all(b"y" * 100_000_000)
        assert patience.cancelled_caught
        door.go.set()


@pytest.mark.parametrize("path", [b"/large", b"/front/large"])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_client_that_does_not_read_does_not_delay_a_stop(
    path: bytes, cancelled: bool, patient_clock: MockClock
) -> None:
    with trio.CancelScope() as scope:
        async with opened(shutdown_timeout=7) as door:
            streams = [await door.connect() for _ in range(20)]
            for stream in streams:
                await stream.send_all(b"GET " + path + FORMS["1.1 keep-alive"])
                await stream.receive_some(1)
            began = trio.current_time()
            if cancelled:
                scope.cancel()
            door.stop.set()
            with trio.CancelScope(shield=True):
                await door.ended.wait()
    assert trio.current_time() - began == pytest.approx(0 if cancelled else 7, abs=1)
    for stream in streams:
        await stream.aclose()


async def test_a_body_for_which_there_is_no_room_is_not_received(
    autojump_clock: MockClock,
) -> None:
    limits = HttpLimits(bytes_under_way=10_000)
    places = HttpPlaces(limits)
    ours, theirs = memory_stream_pair()
    peer = Peer(ours, limits, HttpGuest(places, "127.0.0.1", print))
    assert places.room.take_now(10_000, small=True)
    await theirs.send_all(b"body")
    peer.owes(Owed.BODY)
    began = trio.current_time()
    with peer.listening:
        await peer.receive()
    assert peer.listening.cancelled_caught and peer.refusal is NO_ROOM
    assert trio.current_time() - began == PATIENCE


async def test_a_body_that_breaks_off_is_no_body() -> None:
    limits = HttpLimits()
    ours, theirs = memory_stream_pair()
    peer = Peer(ours, limits, HttpGuest(HttpPlaces(limits), "127.0.0.1", print))
    await theirs.send_all(b"bc")
    assert await peer.complete(b"a", 2) == b"abc"
    await theirs.send_all(b"b")
    await theirs.send_eof()
    with pytest.raises(trio.ClosedResourceError, match="closed within a body"):
        await peer.complete(b"a", 2)
