"""Processes that read chunks of a snapshot, so that restoring one uses all processors.

Each process reads chunks from its standard input and writes what `chunk_rows` makes of them to its
standard output. It ends when its input does, and so with the process that started it, whatever
happens to that. Results come in the order in which chunks were given.
"""

from __future__ import annotations

import gc
import marshal
import os
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final, Protocol

from trio_stream.log.chunk_rows import ChunkRows, from_plain, plain, rows_of_chunk
from trio_stream.log.snapshot_head import SnapshotError

_CODE: Final = "from trio_stream.log.chunk_readers import serve; serve()"
WORTH_PROCESSES: Final = 32 << 20
"""Bytes of a snapshot. They are read in a second and a half, of which two processes save a half,
and to start them takes half a second."""
MOST_PROCESSES: Final = 4
"""One thread inserts what they make, and takes as long for it as two or three of them."""

_LENGTH: Final = struct.Struct(">Q")


class ChunkReader(Protocol):
    """What reads chunks, some of them at once."""

    def give(self, chunk: bytes) -> list[ChunkRows]:
        """Read this chunk, now or later; returns what chunks made that were read meanwhile."""
        ...

    def rest(self) -> Iterator[ChunkRows]:
        """What all chunks made that were given and not returned yet."""
        ...

    def stop(self) -> None:
        """Have a call in progress in another thread raise, unless it ends by itself soon."""
        ...

    def close(self) -> None:
        """End all processes."""
        ...


class InPlace:
    """Reads them itself: for small snapshots, and for a single processor."""

    def give(self, chunk: bytes) -> list[ChunkRows]:
        return [rows_of_chunk(chunk)]

    def rest(self) -> Iterator[ChunkRows]:
        yield from ()

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


class Processes:
    """Reads them in `count` processes, each of which has one chunk at a time."""

    def __init__(self, count: int) -> None:
        self._free = deque(_start() for _ in range(count))
        self._all = tuple(self._free)
        self._busy: deque[subprocess.Popen[bytes]] = deque()

    def give(self, chunk: bytes) -> list[ChunkRows]:
        found = [] if self._free else [self._next()]
        process = self._free.popleft()
        assert process.stdin is not None
        _write(process.stdin, chunk)
        self._busy.append(process)
        return found

    def rest(self) -> Iterator[ChunkRows]:
        while self._busy:
            yield self._next()

    def stop(self) -> None:
        for process in self._all:
            process.kill()

    def close(self) -> None:
        for process in self._all:
            # What was not written to it yet can't be any more.
            with suppress(OSError), process:
                process.kill()

    def _next(self) -> ChunkRows:
        process = self._busy.popleft()
        assert process.stdout is not None
        text, value = marshal.loads(_read(process.stdout))
        self._free.append(process)
        if text is not None:
            raise SnapshotError(text)
        return from_plain(value)


def chunk_reader(size: int) -> ChunkReader:
    """What suits a snapshot of so many bytes."""
    count = processors() if size >= WORTH_PROCESSES else 1
    return Processes(min(count, MOST_PROCESSES)) if count > 1 else InPlace()


def processors() -> int:
    """How many this process may use, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def serve() -> None:
    """Be such a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows are trees of plain values; looking for cycles in them takes a tenth of the time.
    gc.disable()
    answer_all(sys.stdin.buffer, sys.stdout.buffer)


def answer_all(source: BinaryIO, target: BinaryIO) -> None:
    """Read chunks until there are no more."""
    while True:
        try:
            chunk = _read(source)
        except EOFError:
            return
        answer: tuple[str | None, Any]
        try:
            answer = None, plain(rows_of_chunk(chunk))
        except SnapshotError as error:
            answer = str(error), None
        _write(target, marshal.dumps(answer))


def _start() -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _write(target: Any, data: bytes) -> None:
    target.write(_LENGTH.pack(len(data)))
    target.write(data)
    target.flush()


def _read(source: Any) -> bytes:
    """The next message; raises EOFError if there is none."""
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError("a process that reads chunks has ended")
    (length,) = _LENGTH.unpack(head)
    data: bytes = source.read(length)
    if len(data) < length:
        raise EOFError("a process that reads chunks has ended")
    return data
