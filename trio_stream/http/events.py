"""Server-Sent Events: the streams of the WebSocket server, over HTTP.

Each stream is a long request with its own task and its own clone of the commit channel. It is
answered in front of Quart, as plain ASGI: what is awaited here is the channel or the client's
socket, and nothing in between buffers. A client whose socket accepts nothing is cut by the HTTP
server; the others get their last messages when the channel ends.

The id of each event is its position, so a browser that reconnects resumes by itself. It sends the
last position in the header `Last-Event-ID`; other clients may send it in the query string. Of
several messages with one position only the last has an id.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Generic

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http import answers
from trio_stream.http.body import Send
from trio_stream.stream import sse
from trio_stream.stream.frames import texts_in
from trio_stream.stream.notices import (
    CHECKPOINT_SECONDS,
    Notice,
    Telling,
    notice_text,
    stream_headers,
    subscribed_text,
)
from trio_stream.stream.page_request import S
from trio_stream.stream.position import Position
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import Beginning, ResumeRefused

COMMENT_SECONDS: Final = 15.0
"""Seconds after which a comment is sent: proxies may close a connection that stays silent."""
# Between these many milliseconds browsers reconnect, so not all at once after a restart.
_RETRY_MILLISECONDS = (1_000, 4_000)
_PIECE_BYTES = 64 * 1024
# More than such a piece is as events.
_EVENTS_BYTES = 256 * 1024
_MEDIA_TYPE = "text/event-stream"


def wants_events(accept: str) -> bool:
    """Whether the header `Accept` asks for Server-Sent Events."""
    types = (each.partition(";")[0].strip().lower() for each in accept.split(","))
    return _MEDIA_TYPE in types


class EventStreams(Generic[S]):
    """Serves the streams as Server-Sent Events."""

    def __init__(self, channel: CommitChannel[S]) -> None:
        self._channel = channel

    async def serve(
        self,
        stream: str,
        query: str,
        headers: Mapping[bytes, str],
        send: Send,
    ) -> None:
        """Answer a request for the stream of this name, until that ends."""
        reader = self._channel.streams.reader
        in_query, query = sse.split_last_id(query)
        last = headers.get(b"last-event-id") or in_query
        origin = headers.get(b"origin")
        if last in sse.OVER:
            # With `fetch` a 204 has no body, which makes event-source-polyfill reconnect for ever.
            # So a client that puts the id in the query and uses `fetch` gets a status with a body.
            by_fetch = bool(in_query) and b"sec-fetch-mode" in headers
            await _start(send, 410 if by_fetch else 204, origin, [])
            await _more(send, b"", last=True)
            return
        try:
            asked = reader.subscription(stream, query)
            if last:
                asked = replace(asked, after=reader.after(last))
            beginning = await self._channel.begin(asked)
        except BadRequest as error:
            await _refuse(send, await self._channel.refuse(error), origin)
            return
        except ResumeRefused as refused:
            await _refuse(send, refused, origin)
            return
        said = stream_headers(beginning.text, beginning.landmarks)
        await _start(send, 200, origin, said)
        await _Writer(self._channel, asked, beginning, send).run()


class _Writer(Generic[S]):
    """Gives one client its stream."""

    def __init__(
        self,
        channel: CommitChannel[S],
        asked: Asked[S],
        beginning: Beginning,
        send: Send,
    ) -> None:
        self._channel = channel
        self._asked = asked
        self._beginning = beginning
        self._send = send
        self._telling = Telling(beginning.after, now=trio.current_time())
        self._sent_at = trio.current_time()

    async def run(self) -> None:
        await self._write(sse.retry(random.randint(*_RETRY_MILLISECONDS)))
        if self._asked.notices:
            await self._write(_notice(subscribed_text(self._beginning)))
        # Positions are removed again before sending if they were not asked for.
        selection = self._channel.streams.with_positions(self._asked.selection)
        with self._channel.clone(
            self._beginning.after,
            selection=selection,
            until=self._beginning.until,
        ) as clone:
            try:
                if self._beginning.unproven is not None:
                    await clone.reached()
                    await self._channel.prove(self._beginning)
                while True:
                    await self._tell_what_is_due(clone)
                    await self._write_some(clone)
            except trio.EndOfChannel:
                await self._end(clone)
            except ResumeRefused as refused:
                await _more(self._send, _refusal(refused), last=True)

    async def _write_some(self, clone: CommitReceiveChannel[S]) -> None:
        batch = None
        # Nothing else wakes this task if nothing matches. What was received is written outside
        # the deadline, or it could be lost.
        with trio.move_on_after(CHECKPOINT_SECONDS):
            batch = await clone.receive()
        if batch is None:
            if trio.current_time() - self._sent_at >= COMMENT_SECONDS:
                await self._write(sse.COMMENT)
            return
        data, position = batch.take(_PIECE_BYTES)
        clone.seek(position)
        del batch
        if data:
            await self._write_events(data)
            clone.sent(len(data))
            self._telling.sent(position, now=trio.current_time())

    async def _write_events(self, data: bytes) -> None:
        """In pieces: there may be many messages with one position."""
        events: list[bytes] = []
        size = 0
        for text in texts_in(data):
            events.append(self._event(text))
            size += len(events[-1])
            if size > _EVENTS_BYTES:
                await self._write(b"".join(events))
                events, size = [], 0
        if events:
            await self._write(b"".join(events))

    def _event(self, text: bytes) -> bytes:
        data = self._channel.streams.as_asked(self._asked.selection, text)
        return sse.event(data, id_=sse.position_of(text))

    async def _tell_what_is_due(self, clone: CommitReceiveChannel[S]) -> None:
        clone.pass_nothing()
        notice = self._telling.due(
            clone.position,
            live=clone.live,
            at_tip=clone.at_tip,
            now=trio.current_time(),
        )
        if notice is not None:
            await self._tell(notice, clone.position)

    async def _tell(self, notice: Notice, position: Position) -> None:
        text = await self._channel.position_text(position)
        if self._asked.notices:
            chain = self._beginning.landmarks.chain
            said = notice_text(notice, position=text, chain=chain)
            await self._write(_notice(said, text))
        else:
            await self._write(sse.checkpoint(text))
        self._telling.sent(position, now=trio.current_time())

    async def _end(self, clone: CommitReceiveChannel[S]) -> None:
        data = b""
        if clone.finished:
            text = await self._channel.position_text(clone.position)
            said = b'{"position": "%b"}' % text.encode()
            data = sse.checkpoint(text) + sse.event(said, id_="end", name="end")
        else:
            await self._tell(Notice.CLOSING, clone.position)
        await _more(self._send, data, last=True)

    async def _write(self, data: bytes) -> None:
        await _more(self._send, data)
        self._sent_at = trio.current_time()


def _notice(text: bytes, position: str | None = None) -> bytes:
    return sse.event(text, id_=position, name="notice")


def _refusal(refused: ResumeRefused) -> bytes:
    """A refusal as an event, since browsers show scripts neither the status nor the body of one."""
    data = refused.body().rstrip()
    if refused.retry_after is not None:
        wait = refused.retry_after * 1000 + random.randint(*_RETRY_MILLISECONDS)
        return sse.retry(wait) + sse.event(data, name="refused")
    return sse.event(data, id_="refused", name="refused")


async def _refuse(send: Send, refused: ResumeRefused, origin: str | None) -> None:
    await _start(send, 200, origin, stream_headers(None, refused.landmarks))
    await _more(send, _refusal(refused), last=True)


async def _start(
    send: Send, status: int, origin: str | None, said: list[tuple[str, str]]
) -> None:
    fields = [
        ("content-type", _MEDIA_TYPE),
        ("cache-control", "no-store"),
        # Some proxies keep an answer until it is complete.
        ("x-accel-buffering", "no"),
        *((name.lower(), value) for name, value in said),
        *answers.cors(origin),
    ]
    headers = [(name.encode("ascii"), text.encode("latin-1")) for name, text in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _more(send: Send, body: bytes, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not last})
