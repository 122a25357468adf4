"""Where a node is, and a connection to it, with TLS or without."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import trio

from trio_stream.follower.troubles import Unreachable
from trio_stream.follower.trust import system_context

OpenStream = Callable[[str, int], Awaitable[trio.abc.Stream]]


class Address(NamedTuple):
    """Where a node is: `https://host:port/prefix`."""

    url: str
    tls: bool
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises ValueError if it is no http or https address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"a node's address must be http://… or https://…, not {url!r}"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                f"a node's address must have no user and no query: {url!r}"
            )
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        path = parts.path.rstrip("/")
        if not (parts.netloc + path).isascii():
            raise ValueError(f"a node's address must be ASCII: {url!r}")
        return cls(url, tls, parts.hostname, port, parts.netloc, path)


async def dial(
    address: Address,
    open_tcp: OpenStream,
    context: ssl.SSLContext | None,
    seconds: float,
) -> trio.abc.Stream:
    """A connection, with TLS if the address says so; raises Unreachable."""
    try:
        with trio.fail_after(seconds):
            stream = await open_tcp(address.host, address.port)
            if not address.tls:
                return stream
            if context is None:
                context = await trio.to_thread.run_sync(system_context)
            secured = trio.SSLStream(
                stream,
                context,
                server_hostname=address.host,
                https_compatible=True,
            )
            try:
                await secured.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return secured
    except trio.TooSlowError:
        raise Unreachable(f"not connected within {seconds:g} s") from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"not connected: {error}") from error
    except trio.BrokenResourceError as error:
        raise Unreachable(f"TLS failed: {error.__cause__ or error}") from error
