"""Child processes as tasks of a nursery: the daemon, an engine, a build.

A child runs in a session of its own, so that Ctrl-C on the terminal reaches only the program that
started it, which then stops its children in the right order. When the task ends, for whatever
reason, so does the child: SIGTERM first, SIGKILL after a grace period.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent

GRACE = 30.0
"""The default time in seconds between SIGTERM and SIGKILL: the daemon's own limit for a shutdown is
25."""


class ChildEnded(Exception):
    """A child ended while it was still needed."""

    def __init__(self, child: Child) -> None:
        super().__init__(
            f"{child.name} exited with status {child.returncode}; "
            f"its log {child.log} ends with:\n{child.last_words()}"
        )
        self.child = child


class Child:
    """A running process; its output is in the file `log`."""

    def __init__(
        self, name: str, process: trio.Process, log: Path, grace: float
    ) -> None:
        self.name = name
        self.log = log
        self.process = process
        self.grace = grace

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        return await self.process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    async def stop(self) -> int:
        """Ask it to end, and kill it after its grace period; returns the exit status."""
        await _end(self.process, self.grace)
        return await self.wait()

    async def kill(self) -> int:
        """Kill it at once, as a power failure would."""
        self.send_signal(signal.SIGKILL)
        return await self.wait()

    def last_words(self, lines: int = 15) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()


async def start(
    nursery: trio.Nursery,
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    grace: float = GRACE,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Child:
    """Run `command` as a task of `nursery`, appending its output to `log`.

    With `on_line` every line passes through this process, which must then keep running; without it
    the child writes to the file itself.
    """
    with open(log, "ab") as file:
        run = partial(
            trio.run_process,
            list(command),
            stdout=subprocess.PIPE if on_line else file,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
            start_new_session=True,
            deliver_cancel=partial(_end, grace=grace),
        )
        process: trio.Process = await nursery.start(run)
    child = Child(name, process, log, grace)
    if on_line is not None:
        nursery.start_soon(_copy_lines, child, on_line)
    return child


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Our own environment plus `more`, for a child that imports this very source tree."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


async def _copy_lines(child: Child, on_line: Callable[[str], None]) -> None:
    assert child.process.stdout is not None
    rest = b""
    with open(child.log, "ab", buffering=0) as log:
        async for data in child.process.stdout:
            # Appending to a local file does not block for long.
            log.write(data)  # noqa: ASYNC232
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                on_line(line.decode(errors="replace"))


async def _end(process: trio.Process, grace: float) -> None:
    if process.poll() is None:
        process.terminate()
        with trio.move_on_after(grace):
            await process.wait()
            return
        process.kill()


@asynccontextmanager
async def open_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery that is cancelled when its block is done, which ends its children.

    A single exception is raised as it is, not in a group, so that a caller can catch it by type.
    """
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) > 1:
            raise
        # The group held only this one, so nothing is lost with the group.
        raise group.exceptions[0] from group.exceptions[0].__cause__  # noqa: ASYNC123


async def while_alive(child: Child, wait: Callable[[], Awaitable[T]]) -> T:
    """The result of `wait()`; ChildEnded if the child ends first."""
    result: list[T] = []
    async with open_nursery() as nursery:

        async def watch() -> None:
            await child.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        result.append(await wait())
    if not result:
        raise ChildEnded(child)
    return result[0]


@asynccontextmanager
async def until_signal() -> AsyncIterator[trio.CancelScope]:
    """A block that is cancelled by the first signal that asks this program to end.

    Later signals have no effect: it is already ending, and its children with it.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    with trio.open_signal_receiver(*ends) as signals:
        async with open_nursery() as listening, open_nursery() as work:

            async def listen() -> None:
                async for _ in signals:
                    work.cancel_scope.cancel()

            listening.start_soon(listen)
            yield work.cancel_scope


async def poll(
    ask: Callable[[], Awaitable[T | None]], *, seconds: float, what: str
) -> T:
    """Ask again and again until the answer is not None: for peers that can't notify us.

    An engine has no other way to report that its RPC is up, or how high its chain is. Raises a
    TimeoutError that names `what` after that many seconds.
    """
    with trio.move_on_after(seconds):
        while True:
            answer = await ask()
            if answer is not None:
                return answer
            await trio.sleep(0.02)
    raise TimeoutError(f"no {what} within {seconds:g} seconds")
