"""The sockets that the doors are given: bound here, so that every door binds alike.

A host name may stand for several addresses; all of them listen at one port, also when
that port was 0 and the system chose it. An address family that this machine lacks is
passed over as long as another one was bound.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

logger = logging.getLogger(__name__)

# A free port of one family may be taken in the other; another one is tried then.
_PORT_ATTEMPTS = 10
# Linux names these when an address or its family is not on this machine.
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_BACKLOG = 4096


# What an operator can do about it.
_HINTS = {
    errno.EADDRINUSE: "stop what listens there, or choose another address",
    errno.EACCES: "choose a port above 1023 and a place that this user may write to",
    errno.EPERM: "choose a port above 1023 and a place that this user may write to",
    errno.EADDRNOTAVAIL: "it is none of this machine's addresses",
    errno.ENOENT: "make its directory first",
    errno.ENOTDIR: "what should be its directory is a file",
    errno.EROFS: "choose a place that can be written to",
}


def _cannot_listen(address: str, error: OSError) -> OSError:
    """Says which address it was, why, and what can be done about it."""
    cause = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0)
    return OSError(
        f"cannot listen at {address}: {cause}" + (f" ({hint})" if hint else "")
    )


async def open_tcp(host: str, port: int) -> list[trio.SocketListener]:
    """Listen at every address of `host`, all at one port.

    Raises `OSError` that names the address when it cannot be bound.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a name that cannot be one
        raise OSError(f"cannot listen at {host}:{port}: {host!r} is no name") from error
    except OSError as error:
        raise OSError(
            f"cannot listen at {host}:{port}: cannot resolve {host!r}: {error.strerror}"
        ) from error
    hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for attempt in range(_PORT_ATTEMPTS):
        try:
            return await _open_all(hosts, port)
        except OSError as error:
            again = error.errno == errno.EADDRINUSE and port == 0
            if not again or attempt == _PORT_ATTEMPTS - 1:
                raise _cannot_listen(f"{host}:{port}", error) from error
    raise AssertionError("the loop returns or raises")


async def _open_all(hosts: Sequence[str], port: int) -> list[trio.SocketListener]:
    bound: list[trio.SocketListener] = []
    missing: OSError | None = None
    try:
        for host in hosts:
            try:
                bound += await trio.open_tcp_listeners(
                    port, host=host, backlog=_BACKLOG
                )
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise
                missing = error
            else:
                port = port_of(bound[0])
    except BaseException:
        for listener in bound:
            listener.socket.close()
        raise
    if not bound:
        raise missing or OSError(errno.EADDRNOTAVAIL, "no address to listen at")
    return bound


def port_of(listener: trio.SocketListener) -> int:
    """The port that a TCP listener is bound to."""
    port: int = listener.socket.getsockname()[1]
    return port


def is_local(listener: trio.SocketListener) -> bool:
    """Whether nobody but this machine can reach the listener."""
    if listener.socket.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.socket.getsockname()[0]).is_loopback


@asynccontextmanager
async def open_door(host: str, port: int) -> AsyncIterator[list[trio.SocketListener]]:
    """As `open_tcp`; closed in the end, also if nobody has served them."""
    listeners = await open_tcp(host, port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


@asynccontextmanager
async def open_abci(address: str) -> AsyncIterator[list[trio.SocketListener]]:
    """Listen at `tcp://HOST:PORT` or `unix://PATH`; the socket's file goes at the end."""
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        listener = await _open_unix(place)
        made = _file_at(place)
        try:
            yield [listener]
        finally:
            listener.socket.close()
            _remove_own(place, made)
        return
    host, _, port = place.rpartition(":")
    async with open_door(host.strip("[]"), int(port)) as listeners:
        yield listeners


async def _open_unix(path: str) -> trio.SocketListener:
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        await sock.bind(path)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _cannot_listen(f"unix://{path}", error) from error
    return trio.SocketListener(sock)


def _file_at(path: str) -> tuple[int, int] | None:
    """Which file is there, whatever it is called; None if there is none to be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_own(path: str, made: tuple[int, int] | None) -> None:
    """Remove the socket's file, unless somebody else has removed or replaced it."""
    if made is None or _file_at(path) != made:
        return
    try:
        os.unlink(path)
    except OSError as error:
        # The next start removes it. Nothing else depends on it, so the stop is in order.
        logger.warning("cannot remove the socket %s: %s", path, error.strerror)


def _remove_stale(path: str) -> None:
    """Remove the socket that a killed daemon left; one that answers is left alone."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "a file is there that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A connect to a local socket answers at once, also with a full backlog.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "another process listens there")
