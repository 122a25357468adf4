"""Processes that read chunks."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import ALICE
from trio_stream.log.chunk_readers import (
    WORTH_PROCESSES,
    InPlace,
    Processes,
    answer_all,
    chunk_reader,
    processors,
    serve,
)
from trio_stream.log.chunk_rows import rows_of_chunk
from trio_stream.log.snapshot_chunks import Start, whole
from trio_stream.log.snapshot_head import SnapshotError

CHUNKS = [
    whole(Start(0, 7, index), encode(create(ALICE, data={"n": index})))
    for index in range(5)
]
ROWS = [rows_of_chunk(chunk) for chunk in CHUNKS]
BAD = whole(Start(0, 7, 9), b"nonsense")


def test_results_come_in_order() -> None:
    with closing(Processes(2)) as reader:
        found = [rows for chunk in CHUNKS for rows in reader.give(chunk)]
        assert len(found) == 3
        assert found + list(reader.rest()) == ROWS
        assert list(reader.rest()) == []


def test_in_place() -> None:
    with closing(InPlace()) as reader:
        assert [rows for chunk in CHUNKS for rows in reader.give(chunk)] == ROWS
        assert list(reader.rest()) == []
        with pytest.raises(SnapshotError):
            reader.give(BAD)
        # What is in progress ends by itself.
        reader.stop()


def test_a_chunk_that_cannot_be_read() -> None:
    with closing(Processes(1)) as reader:
        assert reader.give(BAD) == []
        with pytest.raises(SnapshotError, match="MalformedTransaction"):
            reader.give(CHUNKS[0])
        # It goes on with the next one.
        assert reader.give(CHUNKS[0]) == []
        assert list(reader.rest()) == ROWS[:1]


def test_what_suits_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    assert isinstance(chunk_reader(WORTH_PROCESSES - 1), InPlace)
    with closing(chunk_reader(WORTH_PROCESSES)) as reader:
        assert isinstance(reader, Processes)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert isinstance(chunk_reader(WORTH_PROCESSES), InPlace)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processors() == 1


def test_a_wait_for_rows_ends_when_it_is_closed() -> None:
    reader = Processes(1)
    large = whole(Start(0, 7, 0), encode(create(ALICE, data={"n": "x " * 3_000_000})))
    reader.give(large)
    closer = threading.Timer(0.01, reader.stop)
    closer.start()
    with pytest.raises((EOFError, OSError)):
        for _ in range(100):
            reader.give(large)
    closer.join()
    reader.close()


def test_a_process_ends_with_its_input() -> None:
    code = "from trio_stream.log.chunk_readers import serve; serve()"
    done = subprocess.run([sys.executable, "-c", code], input=b"", check=True)
    assert done.returncode == 0
    target = io.BytesIO()
    answer_all(io.BytesIO(b"\0\0\0\0\0\0\0\5abc"), target)
    assert target.getvalue() == b""


def test_a_process_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        def __init__(self, data: bytes) -> None:
            self.buffer = io.BytesIO(data)

    def framed(data: bytes) -> bytes:
        return len(data).to_bytes(8) + data

    answers = Pipe(b"")
    monkeypatch.setattr(sys, "stdin", Pipe(framed(CHUNKS[0]) + framed(BAD)))
    monkeypatch.setattr(sys, "stdout", answers)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(gc, "disable", lambda: None)
    serve()
    assert answers.buffer.getvalue().count(ROWS[0].blocks[0].ids.encode()) >= 1
