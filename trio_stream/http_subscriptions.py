"""The way to the streams over HTTP: which requests are for them, and how they end.

They are answered in front of Quart. Each may last long, with the client doing nothing but
listen, so its going away is watched for; and they are counted, because a server that stops
waits for all other requests first, and lets these have their last messages then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from trio_stream import http_answers as answers
from trio_stream.commit_channel import CommitChannel
from trio_stream.http_body import (
    Body,
    Disconnected,
    Receive,
    Send,
    headers_of,
    write,
)
from trio_stream.http_events import EventStreams, stream_at, wants_events
from trio_stream.http_pull import PULL_PATH, Pull

NOT_EVENTS = answers.framework_error(
    406, "Send `Accept: text/event-stream`, or connect to the WebSocket at `streams`."
)

Serve = Callable[[Receive, Send], Awaitable[None]]


class Subscriptions:
    """Server-Sent Events and pulls."""

    def __init__(self, channel: CommitChannel) -> None:
        self._streams = EventStreams(channel)
        self._pull = Pull(channel)
        self.present = 0
        """How many requests are being answered."""

    def door_of(self, scope: Mapping[str, Any]) -> Serve | None:
        """What answers this GET, if it is for here."""
        headers = headers_of(scope)
        query = scope["query_string"].decode("latin-1")
        origin = headers.get(b"origin")
        if scope["path"].rstrip("/") == PULL_PATH:

            async def pull(send: Send) -> None:
                answer, retry_after = await self._pull.answer(query)
                more = (
                    [] if retry_after is None else [("retry-after", str(retry_after))]
                )
                await write(send, answer, origin, *more)

            return lambda receive, send: self._serve(pull, receive, send)
        stream = stream_at(scope["path"])
        if stream is None or not wants_events(headers.get(b"accept", "")):
            return None

        async def events(send: Send) -> None:
            await self._streams.serve(stream, query, headers, send)

        return lambda receive, send: self._serve(events, receive, send)

    async def _serve(
        self, answer: Callable[[Send], Awaitable[None]], receive: Receive, send: Send
    ) -> None:
        self.present += 1
        try:
            await Body(receive, 0).read()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
                await answer(send)
                nursery.cancel_scope.cancel()
        except Disconnected:
            pass
        finally:
            self.present -= 1


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
