"""Answers that are sent without hypercorn, and why a connection ends."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from trio_stream.http import front
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed, answer_array
from trio_stream.http.places import FULL, HttpGuest, HttpPlaces
from trio_stream.http.plain import Plain
from trio_stream.http.server import HttpLimits
from trio_stream.log.errors import LogDamaged
from trio_stream.log.lookups import BEGINNING, Cursor
from trio_stream.net.room import PATIENCE

REQUEST = Plain("GET", "/a", b"", "", None, b"")
LARGE = 100_000


def _guest(room: int = 1024 * 1024) -> HttpGuest:
    return HttpGuest(
        HttpPlaces(HttpLimits(bytes_under_way=room)), "127.0.0.1", lambda refusal: None
    )


async def _said(guest: HttpGuest, coming: Awaitable[HttpAnswer | Streamed]) -> bytes:
    ours, theirs = memory_stream_pair()
    async with ours:
        await front.answer(ours, guest, REQUEST, coming)
    return b"".join([bytes(piece) async for piece in theirs])


async def _whole(count: int) -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return HttpAnswer(200, b"x" * count)


async def _array(size: int) -> HttpAnswer | Streamed:
    async def page(after: Cursor) -> tuple[bytes, Cursor | None]:
        await trio.lowlevel.checkpoint()
        number = after.position + 1
        return b'"%d"' % number * size, Cursor(number) if number < 3 else None

    return await answer_array(page, BEGINNING)


async def test_an_answer_is_held_until_the_connection_gives_it_back() -> None:
    guest = _guest()
    said = await _said(guest, _whole(5))
    assert said.startswith(b"HTTP/1.1 200 OK\r\n") and said.endswith(b"\r\n\r\nxxxxx")
    assert guest.held == 5


async def test_a_large_answer_is_the_same() -> None:
    guest = _guest()
    said = await _said(guest, _whole(LARGE))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and body == b"x" * LARGE
    assert b"content-length: %d\r\n" % LARGE in head
    assert guest.held == LARGE


async def test_a_long_array_comes_in_chunks_of_which_none_is_held() -> None:
    guest = _guest()
    said = await _said(guest, _array(1))
    assert b"transfer-encoding: chunked\r\n" in said and said.endswith(b"0\r\n\r\n")
    assert re.findall(rb'"[0-9]"', said) == [b'"%d"' % i for i in range(4)]
    assert guest.held == 0


async def test_a_large_piece_is_one_chunk() -> None:
    said = await _said(_guest(), _array(LARGE))
    first = b'["0"' + b'"0"' * (LARGE - 1) + b", "
    assert b"\r\n\r\n%x\r\n[" % (len(first) + 3 * LARGE) in said
    body = said.partition(b"\r\n\r\n")[2]
    sizes = []
    while body:
        size, _, body = body.partition(b"\r\n")
        sizes.append(int(size, 16))
        assert body[sizes[-1] :].startswith(b"\r\n")
        body = body[sizes[-1] + 2 :]
    assert sum(sizes) == 4 * 3 * LARGE + len(b"[, , , ]\n") and sizes[-1] == 0


@pytest.mark.parametrize("make", [_whole, _array])
async def test_an_answer_without_room_is_refused(make: object) -> None:
    assert callable(make)
    said = await _said(_guest(room=LARGE), make(LARGE))
    assert said.startswith(b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n")
    assert b"retry-after: 5\r\n" in said and b"Too much is under way" in said


async def test_a_fault_of_ours_is_logged_and_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a fault of ours")

    said = await _said(_guest(), broken())
    assert said.startswith(b"HTTP/1.1 500 INTERNAL SERVER ERROR\r\n")
    assert "unhandled error while answering GET /a" in caplog.text
    assert "a fault of ours" in caplog.text


async def test_a_broken_log_is_not_answered_but_ends_the_process() -> None:
    async def broken() -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        raise LogDamaged("read", Path("log.db"), "nonsense")

    ours, theirs = memory_stream_pair()
    with pytest.raises(LogDamaged):
        await front.answer(ours, _guest(), REQUEST, broken())
    await ours.aclose()
    assert await theirs.receive_some() == b""


async def test_an_array_whose_rest_finds_no_room_breaks_off(
    autojump_clock: MockClock,
) -> None:
    places = HttpPlaces(HttpLimits(bytes_under_way=LARGE))
    guest = HttpGuest(places, "127.0.0.1", lambda refusal: None)

    async def page(after: Cursor) -> tuple[bytes, Cursor | None]:
        await trio.lowlevel.checkpoint()
        if after.position == 2:
            # Others take all room that is left, for longer than is waited.
            assert places.room.take_now(LARGE - places.room.taken, small=True)
        number = after.position + 1
        return b'"%d"' % number, Cursor(number) if number < 9 else None

    ours, theirs = memory_stream_pair()
    array = await answer_array(page, BEGINNING)
    began = trio.current_time()
    with pytest.raises(trio.BrokenResourceError, match="no room for an answer"):
        await front.answer(ours, guest, REQUEST, _ready(array))
    assert trio.current_time() - began == PATIENCE
    await ours.aclose()
    said = b"".join([bytes(piece) async for piece in theirs])
    assert b'"1"' in said and b'"3"' not in said and not said.endswith(b"0\r\n\r\n")


async def _ready(said: HttpAnswer | Streamed) -> HttpAnswer | Streamed:
    await trio.lowlevel.checkpoint()
    return said


async def test_a_refused_client_is_told_why_while_it_still_sends() -> None:
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(front.refuse, ours, FULL)
        await theirs.send_all(b"x" * LARGE)
        said = b"".join([bytes(piece) async for piece in theirs])
        await theirs.aclose()
    assert said.startswith(b"HTTP/1.1 503 ") and b"connection: close\r\n" in said
    assert b"Too many connections" in said
