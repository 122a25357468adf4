"""A line to a server that comes and goes, which breaks after so many bytes.

Clients of any language keep one address, however often the server gets a new one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio


class BreakingLine:
    """Carries connections to `target`; `bytes_until_break` says how much each may bring back."""

    def __init__(self, bytes_until_break: Callable[[], int | None]) -> None:
        self.bytes_until_break = bytes_until_break
        self.breaks = 0
        self._target: tuple[str, int] | None = None

    def lead_to(self, url: str) -> None:
        """New connections go there."""
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self._target = parts.hostname, parts.port

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The address that it has."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(  # noqa: ASYNC113  # the socket listens already
                trio.serve_listeners, self._carry, [listener]
            )
            yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.cancel_scope.cancel()

    async def _carry(self, client: trio.SocketStream) -> None:
        # Either end may go away without a word, and there may be no server.
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            if self._target is None:
                return
            async with client, await trio.open_tcp_stream(*self._target) as server:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, client, server)
                    await self._bring(server, client, self.bytes_until_break())
                    nursery.cancel_scope.cancel()

    async def _copy(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await target.send_all(data)
            await target.send_eof()

    async def _bring(
        self, source: trio.SocketStream, target: trio.SocketStream, most: int | None
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if most is not None:
                    data, most = data[:most], most - len(data)
                await target.send_all(data)
                if most is not None and most <= 0:
                    self.breaks += 1
                    return
