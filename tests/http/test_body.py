"""Bodies as an ASGI server hands them over, in pieces of any size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
import trio

from trio_stream.http import answers
from trio_stream.http.body import (
    READ_PAST,
    Body,
    Disconnected,
    Receive,
    headers_of,
    write,
)

LIMIT = 25_000


def handing(pieces: Iterable[bytes], last: dict[str, Any] | None = None) -> Receive:
    """Gives the pieces one by one, and then the end."""
    coming = iter(pieces)

    async def receive() -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        for piece in coming:
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request"} if last is None else last

    return receive


@pytest.mark.parametrize("size", [1, 2, 999, LIMIT])
async def test_pieces_become_the_body(size: int) -> None:
    whole = bytes(range(250)) * (LIMIT // 250)
    pieces = [whole[i : i + size] for i in range(0, LIMIT, size)]
    assert await Body(handing(pieces), LIMIT).read() == whole
    assert await Body(handing([*pieces, b"x"]), LIMIT).read() is None


@pytest.mark.slow
async def test_a_body_takes_little_more_than_its_size_however_small_the_pieces() -> (
    None
):
    body = Body(handing(b"%02d" % (i % 100) for i in range(LIMIT // 2)), LIMIT)
    tracemalloc.start()
    try:
        whole = await body.read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert whole is not None and len(whole) == LIMIT
    # What is read, and the copy that is handed on; as objects, the pieces take 24 times as much.
    assert peak < 4 * LIMIT


async def test_of_a_body_beyond_the_limit_nothing_is_kept() -> None:
    mega = b"x" * (1024 * 1024)
    counted = 0

    def pieces() -> Iterable[bytes]:
        nonlocal counted
        while True:
            counted += len(mega)
            yield mega

    tracemalloc.start()
    try:
        assert await Body(handing(pieces()), LIMIT).read() is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert READ_PAST < counted <= READ_PAST + len(mega)
    assert peak < LIMIT


async def test_a_client_that_disconnects_within_a_body_raises_disconnected() -> None:
    body = Body(handing([b"x"], {"type": "http.disconnect"}), LIMIT)
    with pytest.raises(Disconnected):
        await body.read()


async def test_the_rest_of_a_body_is_drained_while_the_answer_is_sent() -> None:
    taken = trio.Event()

    def pieces() -> Iterable[bytes]:
        yield b"x" * (READ_PAST + 1)
        yield b"more"
        taken.set()

    body = Body(handing(pieces()), LIMIT)
    assert await body.read() is None
    await body.answered_by(taken.wait)


async def test_a_whole_body_is_answered_at_once() -> None:
    body = Body(handing([b"x"]), LIMIT)
    assert await body.read() == b"x"
    await body.answered_by(trio.lowlevel.checkpoint)


def test_of_headers_with_one_name_the_last_counts() -> None:
    headers = [(b"accept", b"a"), (b"x", b"\xe9"), (b"accept", b"b")]
    assert headers_of({"headers": headers}) == {b"accept": "b", b"x": "\xe9"}


async def test_an_answer_is_written_with_its_headers_and_then_its_body() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    answer = answers.HttpAnswer(503, b"busy\n", "text/plain", retry_after=3)
    await write(send, answer, "http://\xe9", ("connection", "close"))

    assert sent == [
        {
            "type": "http.response.start",
            "status": 503,
            "headers": [
                (b"content-type", b"text/plain"),
                (b"content-length", b"5"),
                (b"retry-after", b"3"),
                (b"connection", b"close"),
                (b"Access-Control-Allow-Origin", b"http://\xe9"),
                (b"Vary", b"Origin"),
            ],
        },
        {"type": "http.response.body", "body": b"busy\n"},
    ]
