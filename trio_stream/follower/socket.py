"""A node's `/websocket`: the same calls, without the deadline that its HTTP server has for answers.

trio-websocket 0.12.2 leaves two things to its user: it waits for ever for a server that disconnects
during the handshake, and it leaves the connection open if the server closes first. Its reader may
raise anything of what a server sends; all that becomes NoAnswer here.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
import trio_websocket

from trio_stream.follower.answers import is_health
from trio_stream.follower.dialing import Address, OpenStream, dial
from trio_stream.follower.troubles import NoAnswer

logger = logging.getLogger(__name__)

T = TypeVar("T")

HEALTH_SECONDS = 10.0
"""A node gives up a WebSocket on which nothing came for 30 seconds, also while it works."""

SMALL = 4096
"""Bytes of a message on the WebSocket that may be the answer to `health`."""

_RECEIVE = 4096
"""Bytes at once: they may be 2,000 frames, which are all read before others have a turn."""


class Socket:
    """An open connection."""

    def __init__(
        self, connection: trio_websocket.WebSocketConnection, seconds: float
    ) -> None:
        self._connection = connection
        self._seconds = seconds

    async def call(self, number: int, method: str, **params: str) -> None:
        """Send a call; its answer comes as a message."""
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            with trio.fail_after(self._seconds):
                await self._connection.send_message(json.dumps(call))
        except trio_websocket.ConnectionClosed as error:
            raise NoAnswer(f"the WebSocket closed: {error.reason}") from error
        except trio.TooSlowError:
            raise NoAnswer("the WebSocket takes nothing") from None

    async def message(self) -> bytes:
        """The next message; the caller sets the deadline."""
        try:
            message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as error:
            raise NoAnswer(f"the WebSocket closed: {error.reason}") from error
        return message.encode() if isinstance(message, str) else message

    async def answer(self, number: int, method: str, **params: str) -> bytes:
        """The answer to a call, however long it takes; nothing else may come meanwhile."""
        await self.call(number, method, **params)
        while True:
            message = None
            with trio.move_on_after(HEALTH_SECONDS):
                message = await self.message()
            if message is None:
                await self.call(0, "health")
            elif len(message) > SMALL or not is_health(message):
                return message


Talk = Callable[[Socket], Awaitable[T]]
"""What is done with a connection as long as it is open."""


async def converse(
    address: Address,
    talk: Talk[T],
    *,
    open_tcp: OpenStream,
    context: ssl.SSLContext | None,
    limit: int,
    seconds: float,
) -> T:
    """What `talk` returns, on a connection of its own; raises Trouble and what `talk` raises.

    `seconds` are for connecting, for the handshake, and for each call to be taken. `limit` is for
    the bytes of a message.
    """
    stream = await dial(address, open_tcp, context, seconds)
    outcomes: list[T] = []
    failures: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(seconds):
                connection = await trio_websocket.wrap_client_stream(
                    nursery,
                    stream,  # type: ignore[arg-type]  # any stream does
                    address.authority,
                    f"{address.path}/websocket",
                    max_message_size=limit,
                    receive_buffer_size=_RECEIVE,
                )
            try:
                outcomes.append(await talk(Socket(connection, seconds)))
            except Exception as error:
                failures.append(error)
            nursery.cancel_scope.cancel()
    except* Exception as group:
        # The library's: a refused handshake, one that took too long, bytes that are no WebSocket.
        logger.debug("the WebSocket of %s ended", address.authority, exc_info=True)
        failures.append(NoAnswer(f"no WebSocket: {group.exceptions[0]!r}"))
    finally:
        await trio.aclose_forcefully(stream)
    if outcomes:
        return outcomes[0]
    raise failures[0]
