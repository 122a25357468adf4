"""The streams over HTTP: which requests are for them, and how they end.

They are answered in front of Quart. Each may last long while the client only listens, so a task
watches for it to disconnect. They are counted, because a server that stops waits for all other
requests first, and then sends these their last messages.

A client here is a subscriber like those of the WebSocket server, and counts together with them. A
client beyond the limits gets a status instead of an event, since it may be any kind of program.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import trio

from trio_stream.access.guard import Guard
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http import answers
from trio_stream.http.body import (
    Body,
    Disconnected,
    Receive,
    Send,
    headers_of,
    write,
)
from trio_stream.http.events import EventStreams, wants_events
from trio_stream.http.pull import Pull
from trio_stream.net.seldom import Seldom
from trio_stream.stream.admission import FULL, Admission, Door, TooMany
from trio_stream.stream.streams import PULL_PATH

logger = logging.getLogger(__name__)

NOT_EVENTS = answers.framework_error(
    406, "Send `Accept: text/event-stream`, or connect to the WebSocket at `streams`."
)

Serve = Callable[[Receive, Send], Awaitable[None]]


class Subscriptions:
    """Server-Sent Events and pulls, for at most `most` clients that `admission` admits."""

    def __init__(
        self,
        channel: CommitChannel[Any],
        admission: Admission,
        *,
        most: int,
        guard: Guard | None = None,
    ) -> None:
        self._guard = guard
        self._offered = channel.streams
        self._streams = EventStreams(channel)
        self._pull = Pull(channel)
        self._admission = admission
        self._most = most
        self._admitted = 0
        self._refusals, self._arrivals, self._departures = (
            Seldom(logger, at_most=60) for _ in range(3)
        )
        self.present = 0
        """How many requests are being answered."""

    def door_of(self, scope: Mapping[str, Any]) -> Serve | None:
        """What answers this GET; None if it is not for a stream."""
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

            return partial(self._serve, pull, scope, Door.POLL)
        path = scope["path"].rstrip("/")
        if (misplaced := self._offered.misplaced(path)) is not None:

            return partial(_refuse, answers.HttpAnswer(404, misplaced), origin)
        stream = self._offered.at(path)
        if stream is None or not wants_events(headers.get(b"accept", "")):
            return None

        async def events(send: Send) -> None:
            await self._streams.serve(stream, query, headers, send)

        return partial(self._serve, events, scope, Door.SSE)

    async def _serve(
        self,
        answer: Callable[[Send], Awaitable[None]],
        scope: Mapping[str, Any],
        door: Door,
        receive: Receive,
        send: Send,
    ) -> None:
        self.present += 1
        try:
            await Body(receive, 0).read()
            with self._counted(scope, door) as limit:
                if limit is not None:
                    await _turn_away(send, limit, headers_of(scope).get(b"origin"))
                    return
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
                    with self._as_long_as_allowed(scope, nursery.cancel_scope.cancel):
                        await answer(partial(_send, send))
                    nursery.cancel_scope.cancel()
        except Disconnected:
            pass
        finally:
            self.present -= 1

    def _as_long_as_allowed(
        self, scope: Mapping[str, Any], end: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Until the end of the block, `end` is called if the client's token becomes invalid."""
        if self._guard is None:
            return nullcontext()
        authorization = headers_of(scope).get(b"authorization", "")
        return self._guard.streaming(self._guard.token_of(authorization), end)

    @contextmanager
    def _counted(
        self, scope: Mapping[str, Any], door: Door
    ) -> Iterator[TooMany | None]:
        """Yields the limit that a request exceeds, or None and counts the request meanwhile."""
        forwarded = [v for name, v in scope["headers"] if name == b"x-forwarded-for"]
        peer, *_ = scope["client"] or ("unknown",)
        address = self._admission.address_of(peer, forwarded)
        limit: TooMany | None = FULL
        if self._admitted < self._most:
            limit = self._admission.enter(address, door)
        if limit is not None:
            self._refusals.log(
                logging.INFO, "%s: refused with status %d", address, limit.status
            )
            yield limit
            return
        # A client that polls does so twice a minute or more.
        polls = door is Door.POLL
        arrived = logger.debug if polls else partial(self._arrivals.log, logging.INFO)
        ended = logger.debug if polls else partial(self._departures.log, logging.INFO)
        arrived("%s: subscribed by %s", address, door.value)
        self._admitted += 1
        try:
            yield None
        finally:
            self._admitted -= 1
            self._admission.leave(address, door)
            ended("%s: %s ended", address, door.value)


async def _refuse(
    answer: answers.HttpAnswer, origin: str | None, receive: Receive, send: Send
) -> None:
    with suppress(Disconnected):
        await Body(receive, 0).read()
        await write(send, answer, origin)


async def _turn_away(send: Send, limit: TooMany, origin: str | None) -> None:
    retry = ("retry-after", str(limit.retry_after))
    await write(send, answers.error(limit.status, limit.message), origin, retry)


async def _send(send: Send, message: Mapping[str, Any]) -> None:
    """Send a message; the last one to its end.

    Hypercorn reports a disconnection before it closes the connection after the last message (0.18),
    which would then be left open. The connection ends every wait to write.
    """
    is_last = message["type"] == "http.response.body" and not message.get("more_body")
    with trio.CancelScope(shield=is_last):
        await send(message)


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
