"""The whole daemon on a clock that stands still except when a test lets time pass.

So what a setting says about seconds is seen to the second, however slow the machine is. Threads
need no time here, as the clock never jumps by itself before the daemon is to stop.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.test_daemon import DEADLINE, host_and_port
from trio_stream import daemon
from trio_stream.config import Config
from trio_stream.net.sockets import unacknowledged
from trio_stream.node import Addresses

_ARRIVES = 0.01
"""Seconds of the real clock in which what one task wrote to a socket wakes another one."""


class Still:
    """A daemon that runs, and its time."""

    def __init__(self, addresses: Addresses, clock: MockClock) -> None:
        self.addresses = addresses
        self.ended = trio.Event()
        self._clock = clock
        self._is_stopping = False

    async def connect(
        self, door: str, first: bytes | str = b"", *, receive_buffer: int | None = None
    ) -> trio.SocketStream:
        """A connection to this door, on which the client said this first."""
        raw = trio.socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await raw.connect(host_and_port(getattr(self.addresses, door)))
        stream = trio.SocketStream(raw)
        await stream.send_all(first.encode() if isinstance(first, str) else first)
        return stream

    async def settle(self) -> None:
        """Let all tasks do what needs neither time nor a thread."""
        await wait_all_tasks_blocked(_ARRIVES)

    async def passes(self, seconds: float) -> None:
        """Let time pass for all tasks that are waiting."""
        await self.settle()
        self._clock.jump(seconds)
        await self.settle()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something that needs no time on the clock."""
        while not is_so():
            await self.settle()

    def stop(self) -> None:
        """Ask it to stop, as an operator would."""
        self._is_stopping = True
        signal.raise_signal(signal.SIGTERM)

    def finish(self) -> None:
        """Ask it to stop, and let time pass as needed."""
        if not self._is_stopping:
            self.stop()
        self._clock.autojump_threshold = _ARRIVES


@asynccontextmanager
async def still(config: Config, clock: MockClock) -> AsyncIterator[Still]:
    """A daemon while the block runs; it has ended after it."""
    over = threading.Event()
    try:
        async with trio.open_nursery() as guarded:
            guarded.start_soon(_fail_if_not, over)
            async with trio.open_nursery() as nursery:
                running: Still = await nursery.start(partial(serve, config, clock))
                try:
                    yield running
                except BaseException:
                    nursery.cancel_scope.cancel()
                    raise
                running.finish()
            guarded.cancel_scope.cancel()
    finally:
        over.set()


async def serve(
    config: Config, clock: MockClock, *, task_status: trio.TaskStatus[Still]
) -> None:
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(partial(daemon.run, config))
        running = Still(addresses, clock)
        task_status.started(running)
    running.ended.set()


async def _fail_if_not(over: threading.Event) -> None:
    wait = partial(over.wait, DEADLINE)
    if not await trio.to_thread.run_sync(wait, abandon_on_cancel=True):
        raise TimeoutError(f"not over after {DEADLINE} s")


def server_end(client: trio.socket.SocketType) -> socket.socket | None:
    """The daemon's end of a client's connection, for the caller to close; None if it is closed."""
    here = client.getsockname()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found = socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM)
                with suppress(OSError):
                    if found.getpeername() == here:
                        return found
                found.close()
    return None


def is_open(client: trio.SocketStream) -> bool:
    """Has the daemon not closed this connection?"""
    found = server_end(client.socket)
    if found is not None:
        found.close()
    return found is not None


def is_full(client: trio.SocketStream) -> bool:
    """Does the daemon's socket of a client that reads nothing take nothing more?"""
    there = server_end(client.socket)
    assert there is not None
    with there:
        # What is short may only wait for its acknowledgement.
        much = unacknowledged(there) > 4096
        return much and not select.select([], [there], [], 0)[1]


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """What comes until the daemon closes."""
    data = b""
    with suppress(trio.BrokenResourceError):
        async for piece in stream:
            data += piece
    return data
