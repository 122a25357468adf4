"""The listening sockets that the doors are given: bound here, so that every door binds alike.

A host name may stand for several addresses; all of them listen on one port, even if that port was 0
and the system chose it. An address family that this machine lacks is skipped as long as another one
could be bound.
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

# A port that is free in one family may be taken in the other; then another port is tried.
_PORT_ATTEMPTS = 10
# Linux's errors for an address, or a family of addresses, that this machine does not have.
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_BACKLOG = 4096


# What an operator can do about it.
_HINTS = {
    errno.EADDRINUSE: "stop the program that listens there, or choose another address",
    errno.EACCES: "choose a port above 1023, or a directory that this user may write to",
    errno.EPERM: "choose a port above 1023, or a directory that this user may write to",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.ENOENT: "create its directory first",
    errno.ENOTDIR: "a part of its path is a file, not a directory",
    errno.EROFS: "choose a directory that can be written to",
}


def _cannot_listen(address: str, error: OSError) -> OSError:
    """An error that says which address it was, why, and what to do about it."""
    cause = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0)
    return OSError(
        f"cannot listen on {address}: {cause}" + (f" ({hint})" if hint else "")
    )


async def open_tcp(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on every address of `host`, all on one port.

    Raises an `OSError` that names the address if it cannot be bound.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # not a possible name
        raise OSError(
            f"cannot listen on {host}:{port}: {host!r} is not a host name"
        ) from error
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}:{port}: cannot resolve {host!r}: {error.strerror}"
        ) from error
    hosts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    attempts = _PORT_ATTEMPTS
    while True:
        attempts -= 1
        try:
            return await _open_all(hosts, port)
        except OSError as error:
            again = error.errno == errno.EADDRINUSE and port == 0
            if not again or not attempts:
                raise _cannot_listen(f"{host}:{port}", error) from error


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
        raise missing or OSError(errno.EADDRNOTAVAIL, "no address to listen on")
    return bound


def port_of(listener: trio.SocketListener) -> int:
    """The port that a TCP listener is bound to."""
    port: int = listener.socket.getsockname()[1]
    return port


def is_local(listener: trio.SocketListener) -> bool:
    """Whether only this machine can reach the listener."""
    if listener.socket.family == socket.AF_UNIX:
        return True
    return ipaddress.ip_address(listener.socket.getsockname()[0]).is_loopback


@asynccontextmanager
async def open_door(host: str, port: int) -> AsyncIterator[list[trio.SocketListener]]:
    """As `open_tcp`; closed at the end, even if they were never served."""
    listeners = await open_tcp(host, port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


@asynccontextmanager
async def open_abci(address: str) -> AsyncIterator[list[trio.SocketListener]]:
    """Listen on `tcp://HOST:PORT` or `unix://PATH`; the socket's file is removed at the end."""
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
    """The identity of the file at `path`; None if there is none, or it can't be seen."""
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
        # The next start removes it. Nothing else depends on it, so the stop is still orderly.
        logger.warning("cannot remove the socket %s: %s", path, error.strerror)


def _remove_stale(path: str) -> None:
    """Remove the socket that a killed daemon left behind, but not one that answers."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(
                errno.EEXIST, "there is a file at that path that is not a socket"
            )
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Connecting to a local socket never waits, even if its backlog is full.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise OSError(errno.EADDRINUSE, "another process listens on it")
