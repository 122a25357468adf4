"""BigchainDB's routes: which of its paths are answered by what."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import trio

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.elections import answer_election
from trio_stream.http.making import some_at_a_time
from trio_stream.http.pages import Lookups
from trio_stream.http.plain import Plain
from trio_stream.http.reads import CheckOutcomes, Reads, answer_block
from trio_stream.http.routes import API, DESCRIPTION, Get, Lookup, Routes
from trio_stream.http.submit import Examiner, Submission
from trio_stream.http.threads import Threads
from trio_stream.log.connections import RunSync
from trio_stream.stream.selection import Stream

OPENAPI: Final = Path(__file__).parent / "openapi.json"

_TRANSACTIONS: Final = f"{API}/transactions"

# The database's integers; no block is higher.
_MAX_HEIGHT: Final = 2**63 - 1


class StateReader(Examiner, Lookups, Protocol):
    """What the API asks of the committed state."""


def bigchaindb_routes(
    reader: Lookups,
    checks: CheckOutcomes,
    submission: Submission,
    *,
    run_sync: RunSync,
    streams_url: str,
    observed: Mapping[str, Get] | None = None,
) -> Routes:
    """All routes of a node; each kind of look-up is made a few at a time.

    `observed` answers what is asked about the node itself, by path.
    """
    threads = Threads(run_sync=run_sync)
    reads = Reads(reader, checks, threads)
    gets: dict[str, Get] = {
        _TRANSACTIONS: reads.transactions,
        f"{API}/outputs": reads.outputs,
        f"{API}/blocks": reads.blocks,
        f"{API}/assets": reads.assets,
        f"{API}/metadata": reads.metadata,
        f"{API}/statuses": reads.statuses,
        f"{API}/validators": reads.validators,
    }
    block = partial(_block, reader, threads)
    election = partial(answer_election, reader)

    async def post(request: Plain) -> HttpAnswer:
        return await submission.post(request.query, request.content_type, request.body)

    return Routes(
        root=partial(_ready, answers.root(streams_url)),
        gets={
            **{path: some_at_a_time(get) for path, get in gets.items()},
            **(observed or {}),
            API: _document(answers.api_root(streams_url)),
            DESCRIPTION: _document(OPENAPI.read_bytes()),
        },
        lookups={
            f"{_TRANSACTIONS}/": Lookup(some_at_a_time(reads.transaction)),
            f"{API}/blocks/": Lookup(some_at_a_time(block), digits=True),
            f"{API}/elections/": Lookup(some_at_a_time(election)),
        },
        streams=[each.value for each in Stream],
        posts={_TRANSACTIONS: post, f"{_TRANSACTIONS}/": post},
    )


def _document(body: bytes) -> Get:
    async def get(_: bytes) -> HttpAnswer:
        return await _ready(body)

    return get


async def _ready(body: bytes) -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return HttpAnswer(200, body)


async def _block(
    reader: Lookups, threads: Threads, digits: str
) -> HttpAnswer | Streamed:
    # More digits than any height has; and Python refuses to read thousands of them.
    number = digits.lstrip("0") or "0"
    if len(number) > len(str(_MAX_HEIGHT)) or int(number) > _MAX_HEIGHT:
        return answers.NOT_FOUND
    return await answer_block(reader, int(number), threads=threads)
