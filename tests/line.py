"""A connection that a test can cut, between a client in a process of its own and a door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio


class Line:
    """What stands between a client and a door: it can break, and notes what goes in."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname and parts.port
        self._target = parts.hostname, parts.port
        self._scopes: set[trio.CancelScope] = set()
        self.requests = b""
        self.answered = trio.Event()
        """The door has said something."""

    @property
    def heads(self) -> list[bytes]:
        """The heads of the requests without a body that went in."""
        return self.requests.split(b"\r\n\r\n")[:-1]

    async def carry(self, stream: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            async with stream, await trio.open_tcp_stream(*self._target) as door:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, stream, door, scope, True)
                    await self._copy(door, stream, scope, False)
        self._scopes.discard(scope)

    async def _copy(
        self,
        source: trio.abc.Stream,
        target: trio.abc.Stream,
        scope: trio.CancelScope,
        noted: bool,
    ) -> None:
        # Either end may go away without a word.
        with suppress(trio.BrokenResourceError):
            async for data in source:
                if noted:
                    self.requests += data
                await target.send_all(data)
                if not noted:
                    self.answered.set()
        scope.cancel()

    def cut(self) -> None:
        for scope in self._scopes:
            scope.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port at which it takes connections."""
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(  # noqa: ASYNC113  # the sockets listen already
                trio.serve_listeners, self.carry, listeners
            )
            yield listeners[0].socket.getsockname()[1]
            nursery.cancel_scope.cancel()
