"""A block as large as an engine makes them, shown in pieces."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts.signing import create, encode, sign
from tests.ledger.chains import ALICE, CHAIN_ID
from trio_stream.abci.messages import Time
from trio_stream.http.answers import HttpAnswer, spaced
from trio_stream.http.arrays import Streamed
from trio_stream.http.reads import answer_block
from trio_stream.http.threads import Threads
from trio_stream.ledger.block import Block, Chain
from trio_stream.ledger.rows import rows_of
from trio_stream.log.reader import LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.model import parse
from trio_stream.transactions.shown import shown

MIB = 1024 * 1024
BLOCK = 100 * MIB
CLIENTS = 2
# Two pages each, of which the larger ends with a transaction of 700 kB, and what they are made of.
BOUND = CLIENTS * 4 * MIB


def documents() -> Iterator[dict[str, Any]]:
    size = 0
    while size < BLOCK:
        length = 700_000 if size % 3 else 60_000
        document = create(ALICE)
        document["asset"] = {"data": {"n": str(size), "blob": "é" + "x" * length}}
        yield sign(document, ALICE)
        size += length


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    return [encode(each) for each in documents()]


@pytest.fixture
async def reader(tmp_path: Path, texts: list[bytes]) -> AsyncIterator[LogReader]:
    with CommitLog.open(tmp_path) as log:
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, Time(0, 0), ()))
        found = [
            rows_of(parse(raw), index, hashlib.sha256(raw).digest())
            for index, raw in enumerate(texts)
        ]
        log.append(Block(1, Time(1, 0), "", found, []))
        del found
        reader = LogReader(log.path, CandidateCache(0))
        yield reader
        await reader.aclose()


def expected(raws: list[bytes]) -> tuple[int, bytes]:
    """Length and digest of the body, as it would be in one piece."""
    text = hashlib.sha256(b'{"height": 1, "transactions": [')
    length = len(b'{"height": 1, "transactions": [')
    for index, raw in enumerate(raws):
        piece = b", " * (index > 0) + spaced(shown(raw)).rstrip()
        text.update(piece)
        length += len(piece)
    text.update(b"]}\n")
    return length + 3, text.digest()


@pytest.mark.slow
async def test_a_block_of_100_mib_takes_a_few_pages_of_memory(
    reader: LogReader, texts: list[bytes]
) -> None:
    threads = Threads()
    taken: list[tuple[int, bytes]] = []

    async def get() -> None:
        answer = await answer_block(reader, 1, threads=threads)
        assert isinstance(answer, Streamed)
        length, text = 0, hashlib.sha256()
        async for piece in answer:
            length += len(piece)
            text.update(piece)
        taken.append((length, text.digest()))

    tracemalloc.start()
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(get)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BOUND, f"{peak / MIB:.1f} MiB"
    assert taken == [expected(texts)] * CLIENTS


async def test_a_small_block_has_a_length(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, Time(0, 0), ()))
        raw = encode(create(ALICE, data={"é": 1}))
        one = rows_of(parse(raw), 0, hashlib.sha256(raw).digest())
        log.append(Block(1, Time(1, 0), "", [one], []))
        log.append(Block(2, Time(2, 0), "", [], []))
        reader = LogReader(log.path, CandidateCache(0))
        for height, items in ((0, b""), (1, spaced(shown(raw)).rstrip()), (2, b"")):
            answer = await answer_block(reader, height, threads=Threads())
            body = b'{"height": %d, "transactions": [%b]}\n' % (height, items)
            assert answer == HttpAnswer(200, body)
        assert (await answer_block(reader, 3, threads=Threads())).status == 404
        await reader.aclose()
