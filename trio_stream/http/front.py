"""What is sent without hypercorn: answers to plain requests, and why a connection ends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

import trio

from trio_stream.http import answers, plain
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.places import NO_ROOM, HttpGuest, TurnedAway
from trio_stream.http.plain import Plain
from trio_stream.log.errors import ends_process
from trio_stream.net.sockets import linger

logger = logging.getLogger(__name__)

# How much of a piece is sent together with what precedes it.
_WITH_HEAD = 60 * 1024


async def answer(
    stream: trio.abc.SendStream,
    guest: HttpGuest,
    request: Plain,
    coming: Awaitable[HttpAnswer | Streamed],
) -> None:
    """Send the answer to a request; if there is no room for it, say that instead."""
    try:
        said = await coming
    except Exception as error:
        if ends_process(error):
            raise
        logger.exception(
            "unhandled error while answering %s %s", request.method, request.path
        )
        said = answers.FAILED
    if isinstance(said, HttpAnswer):
        if len(said.body) <= _WITH_HEAD:
            data = _whole(said, guest, request.origin)
            del said
            await stream.send_all(data)
        else:
            await _send_large(stream, guest, request.origin, said)
    else:
        await _send_pieces(stream, guest, request.origin, said)


async def ready(answer: HttpAnswer) -> HttpAnswer:  # noqa: ASYNC124  # for `answer`
    """An answer that need not be waited for."""
    return answer


async def refuse(stream: trio.abc.Stream, refusal: TurnedAway) -> None:
    """Say why the connection ends, to a peer that may still be sending."""
    close = ("connection", "close")
    said = plain.whole(refusal.answer, None, close, *refusal.headers)
    await stream.send_all(said)
    await linger(stream)


async def _send_pieces(
    stream: trio.abc.SendStream, guest: HttpGuest, origin: str | None, pieces: Streamed
) -> None:
    before, has_begun = plain.beginning(origin), False
    async for piece in pieces:
        size = len(piece)
        if not has_begun and not guest.take_now(size):
            await stream.send_all(_whole(None, guest, origin))
            return
        if has_begun and not await guest.take(size):
            raise trio.BrokenResourceError("there was no room for an answer")
        has_begun = True
        # Of a large piece only the beginning is copied.
        await stream.send_all(before + b"%x\r\n" % size + piece[:_WITH_HEAD])
        if size > _WITH_HEAD:
            await stream.send_all(memoryview(piece)[_WITH_HEAD:])
        del piece
        guest.give_back(size)
        before = b"\r\n"
    await stream.send_all(before + b"0\r\n\r\n")


async def _send_large(
    stream: trio.abc.SendStream, guest: HttpGuest, origin: str | None, said: HttpAnswer
) -> None:
    """As `_whole`, of which only the beginning is copied."""
    if not guest.take_now(len(said.body)):
        await stream.send_all(_whole(None, guest, origin))
        return
    body = memoryview(said.body)
    await stream.send_all(plain.head(said, origin) + body[:_WITH_HEAD])
    await stream.send_all(body[_WITH_HEAD:])


def _whole(said: HttpAnswer | None, guest: HttpGuest, origin: str | None) -> bytes:
    """The answer, or a refusal if there is no room for it."""
    if said is not None and guest.take_now(len(said.body)):
        return plain.whole(said, origin)
    return plain.whole(NO_ROOM.answer, origin, *NO_ROOM.headers)
