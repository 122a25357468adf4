"""Which path of the API is answered by what, for everything that GET reads from the log.

Nothing here knows Quart: `http.api` adds these routes to it, and answers requests that come all
day (`find`) without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.elections import answer_election
from trio_stream.http.making import some_at_a_time
from trio_stream.http.pages import Lookups, Streamed
from trio_stream.http.reads import CheckOutcomes, Reads, answer_block
from trio_stream.http.threads import Threads
from trio_stream.log.connections import RunSync

API: Final = "/api/v1"
TRANSACTIONS: Final = f"{API}/transactions"
TRANSACTION: Final = f"{TRANSACTIONS}/"
"""An id follows."""
BLOCK: Final = f"{API}/blocks/"
"""A height follows."""
ELECTION: Final = f"{API}/elections/"
"""An id follows."""
STATUS: Final = f"{API}/status"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
METRICS: Final = "/metrics"
SUBMIT_PATHS: Final = (TRANSACTIONS, TRANSACTION)

# The database's integers; no block is higher.
_MAX_HEIGHT: Final = 2**63 - 1

Get = Callable[[bytes], Awaitable[HttpAnswer | Streamed]]
"""Answers a query string."""


class Routes:
    """Answers GET requests; each kind of answer is made a few at a time."""

    def __init__(
        self,
        reader: Lookups,
        checks: CheckOutcomes,
        *,
        run_sync: RunSync,
        others: Mapping[str, Get] | None = None,
    ) -> None:
        """`others` are answered as they are: routes that don't read the log, by path."""
        threads = Threads(run_sync=run_sync)
        reads = Reads(reader, checks, threads)
        gets: dict[str, Get] = {
            TRANSACTIONS: reads.transactions,
            f"{API}/outputs": reads.outputs,
            f"{API}/blocks": reads.blocks,
            f"{API}/assets": reads.assets,
            f"{API}/metadata": reads.metadata,
            f"{API}/statuses": reads.statuses,
            f"{API}/validators": reads.validators,
        }
        self.gets = {path: some_at_a_time(get) for path, get in gets.items()}
        self.gets |= others or {}
        """What answers a query string, by path."""
        self.transaction = some_at_a_time(reads.transaction)
        """Answers the id of a transaction."""
        self.block = some_at_a_time(partial(_block, reader, threads))
        """Answers the digits of a height."""
        self.election = some_at_a_time(partial(answer_election, reader))
        """Answers the id of an election."""
        self._gets = self.gets | {f"{path}/": get for path, get in self.gets.items()}

    def find(self, path: str, query: bytes) -> Awaitable[HttpAnswer | Streamed] | None:
        """The answer to a GET; None if none of these routes has this path."""
        get = self._gets.get(path)
        if get is not None:
            return get(query)
        if path.startswith(TRANSACTION) and "/" not in path[len(TRANSACTION) :]:
            return self.transaction(path[len(TRANSACTION) :])
        if path.startswith(ELECTION) and "/" not in path[len(ELECTION) :]:
            return self.election(path[len(ELECTION) :])
        if path.startswith(BLOCK) and path[len(BLOCK) :].isdigit():
            return self.block(path[len(BLOCK) :])
        return None


async def _block(
    reader: Lookups, threads: Threads, digits: str
) -> HttpAnswer | Streamed:
    # More digits than any height has; and Python refuses to read thousands of them.
    number = digits.lstrip("0") or "0"
    if len(number) > len(str(_MAX_HEIGHT)) or int(number) > _MAX_HEIGHT:
        return answers.NOT_FOUND
    return await answer_block(reader, int(number), threads=threads)
