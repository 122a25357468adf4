"""What tests of the log's readers share."""

from __future__ import annotations

import hashlib

from scripts.signing import encode
from tests.history import accepted_of, txs_of
from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.reader import LogReader
from trio_stream.stream.events import CommitEvent
from trio_stream.stream.position import Position
from trio_stream.transactions.candidate import CandidateCache

MEGABYTE = 1 << 20


BLOCKS = 12


async def inline(function, *, limiter):
    """Runs in this thread what would run in another one."""
    async with limiter:
        return function()


def open_reader(log, *, run_sync=inline):
    return LogReader(log.path, CandidateCache(MEGABYTE), run_sync=run_sync)


def events_of(height):
    """The events that a block of the history causes."""
    index_of = {raw: index for index, raw in reversed([*enumerate(txs_of(height))])}
    return [
        CommitEvent(
            height,
            index_of[encode(document)],
            document["asset"].get("id", document["id"]),
            document["id"],
            hashlib.sha256(encode(document)).digest(),
            document["operation"],
        )
        for document in accepted_of(height)
    ]


START, END = Position.end_of(0), Position.end_of(MAX_HEIGHT)


EVENTS = [event for height in range(1, BLOCKS + 1) for event in events_of(height)]
