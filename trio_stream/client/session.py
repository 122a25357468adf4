"""The task that keeps a client's stream going: connect, read, reconnect elsewhere.

It hands messages over in order, through a bounded channel, and ends when it reaches the requested
end or cannot go on. If the caller is slow it stops reading, and the server waits, or serves the
client from its log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import trio

from trio_stream.client import verdicts
from trio_stream.client.connection import ConnectionSettings, StreamConnection, connect
from trio_stream.client.messages import Event, Gap, parse, part_of
from trio_stream.client.request import Endpoint, Wanted
from trio_stream.client.resume import LONGEST_DELAY, Progress, Route
from trio_stream.client.verdicts import (
    GONE,
    Closed,
    Lost,
    Refused,
    Rejected,
    ServerFault,
    StreamError,
)

logger = logging.getLogger(__name__)

HAND_OVER: Final = 64
"""How many messages are read ahead of the caller. One with its transaction may have a MiB."""


class Item(NamedTuple):
    """A step of the stream: a message, or a position up to which there is none."""

    position: str
    event: Event | None
    is_last: bool = True
    """Whether the position is reached with it; False: it is one of several events of the next."""


class Puller:
    """Follows one stream over any number of connections."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        wanted: Wanted,
        progress: Progress,
        route: Route,
        settings: ConnectionSettings,
    ) -> None:
        self._endpoints = endpoints
        self._wanted = wanted
        self._progress = progress
        self._route = route
        self._settings = settings
        self.error: StreamError | None = None
        """Why it gave up; None if it reached the requested end."""

    async def run(self, items: trio.MemorySendChannel[Item]) -> None:
        """Send the stream into `items`, and close that at the end."""
        async with items:
            try:
                await self._pull(items)
            except StreamError as error:
                self.error = error

    async def _pull(self, items: trio.MemorySendChannel[Item]) -> None:
        while True:
            url = self._route.url
            began = trio.current_time()
            try:
                await self._follow(url, items)
                return
            except Refused as refused:
                # Another server may keep more of the chain.
                if refused.status != GONE or self._route.lacks():
                    raise
                delay = self._route.failed()
                logger.warning(
                    "%s; trying %s in %.1f s", refused, self._route.url, delay
                )
            except Lost as lost:
                if trio.current_time() - began > LONGEST_DELAY:
                    self._route.worked()
                delay = self._route.failed(retry_after=lost.retry_after)
                logger.warning(
                    "%s: %s; trying %s in %.1f s", url, lost, self._route.url, delay
                )
            if self._progress.finished:
                return
            await trio.sleep(delay)

    async def _follow(self, url: str, items: trio.MemorySendChannel[Item]) -> None:
        """Read one connection to the requested end. Raises Lost, StreamError."""
        asked = self._wanted.parameters() + self._progress.parameters()
        endpoint = self._endpoints[url].asking(asked)
        try:
            async with connect(endpoint, self._settings) as connection:
                begun = await self._begin(url, connection)
                await items.send(Item(begun, None))
                while True:
                    item = self._read(url, await connection.receive())
                    if item is not None:
                        self._route.worked()
                        await items.send(item)
        except Rejected as rejected:
            raise verdicts.refusal(url, rejected) from None
        except Closed as closed:
            ends = self._progress.ends and not self._progress.is_within
            verdict = verdicts.closing(url, closed, until=ends)
        if verdict is not None:
            raise verdict

    async def _begin(self, url: str, connection: StreamConnection) -> str:
        if "stream-position" not in connection.headers and self._wanted.with_notices:
            # With notices, the server may accept the upgrade and then send its refusal.
            with trio.move_on_after(self._settings.connect_timeout):
                message = parse(await connection.receive())
                if message is not None and message.get("notice") == "refused":
                    raise verdicts.refusal_notice(url, message)
        begun = self._progress.begin(url, connection.headers)
        logger.info("%s: the stream begins after %s", url, begun)
        return begun

    def _read(self, url: str, text: str | bytes) -> Item | None:
        """What a message means to the caller; None if that has it."""
        message = parse(text)
        if message is None:
            raise ServerFault(f"{url} sent {text[:100]!r} instead of a message")
        if "notice" in message and "transaction_id" not in message:
            return self._read_notice(url, message)
        try:
            part = part_of(message)
        except ValueError as error:
            raise ServerFault(f"{url} sent {error}: {text[:100]!r}") from None
        position = message.get("position")
        if part is not None:
            reached = self._progress.take(url, part, position)
            if reached is None:
                return None
            return Item(reached, message, position is not None)
        if isinstance(message, Gap):
            self._progress.leave(message.first)
        return Item(self._progress.advance(url, position), message)

    def _read_notice(self, url: str, notice: Mapping[str, Any]) -> Item:
        if notice["notice"] == "refused":
            raise verdicts.refusal_notice(url, notice)
        logger.debug("%s: notice %r", url, notice)
        return Item(self._progress.stand(url, notice.get("position")), None)
