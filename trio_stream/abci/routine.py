"""Which requests are answered without the state machine, and which belong together.

Most kinds of request have the same answer whatever the state: those of features that we don't have
(vote extensions, a mempool of our own), those that accept whatever the engine made
(proposals), and Echo and Flush.

The others go to the state machine, which does one thing at a time. `split_into_hops` cuts what a
connection sent into pieces short enough that another connection does not wait long, and long enough
that going back and forth costs little.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from trio_stream.abci.framing import varint_size
from trio_stream.abci.messages import (
    Answer,
    CheckTx,
    Commit,
    Done,
    Echo,
    EchoAnswer,
    ExtendVote,
    Failure,
    Flush,
    Info,
    InsertTx,
    PrepareProposal,
    PrepareProposalAnswer,
    ProcessProposal,
    Query,
    ReapTxs,
    Request,
    SetOption,
    Unknown,
    VerifyVoteExtension,
)
from trio_stream.abci.snapshot_messages import (
    ApplySnapshotChunk,
    ListSnapshots,
    LoadSnapshotChunk,
    OfferSnapshot,
)

CHECKS_A_HOP = 32
"""The most CheckTx in one hop: a few milliseconds of signatures, for which a block that arrives
meanwhile has to wait."""

CHECK_BYTES_A_HOP = 256 * 1024
"""The most bytes of CheckTx in one hop: a large transaction takes a tenth of a second by itself."""


class Priority(enum.IntEnum):
    """Who goes first when several connections want the state machine."""

    CONSENSUS = 0
    RESTORING = 1
    """Of a snapshot: nothing else happens on a node that has no block yet."""
    MEMPOOL = 2
    QUERY = 3
    """Waits for nobody: the answer depends only on what is durable already."""
    SERVING = 4
    """Of a snapshot that is on disk. It does not wait for the state machine either, but takes so
    long that it is done in a thread of its own, one request at a time."""


class Hop(NamedTuple):
    """Requests that are answered in one go; without a priority, all of them are routine."""

    priority: Priority | None
    requests: Sequence[Request]


def routine_answer(request: Request) -> Answer | None:
    """The answer if it does not depend on the state; else None."""
    answer = _ROUTINE.get(type(request))
    return answer(request) if callable(answer) else answer


def split_into_hops(requests: Sequence[Request]) -> Iterator[Hop]:
    """Cut a connection's requests, in order, into hops to the state machine.

    A hop holds one class of requests: CheckTx, until it has `CHECKS_A_HOP` of them or
    `CHECK_BYTES_A_HOP` bytes; what has arrived of one block, up to its Commit; or requests about
    snapshots, up to a chunk. Routine requests in between go along.
    """
    start = checks = size = 0
    priority: Priority | None = None
    for position, request in enumerate(requests):
        kind = type(request)
        if kind in _ROUTINE:
            continue
        wanted = _PRIORITIES.get(kind, Priority.CONSENSUS)
        is_full = checks == CHECKS_A_HOP or size >= CHECK_BYTES_A_HOP
        if priority not in (None, wanted) or is_full:
            yield Hop(priority, requests[start:position])
            start, checks, size = position, 0, 0
        priority = wanted
        if isinstance(request, CheckTx):
            checks += 1
            size += len(request.tx)
        elif kind in _LAST_OF_HOP:
            yield Hop(priority, requests[start : position + 1])
            start, checks, size, priority = position + 1, 0, 0, None
    if start < len(requests):
        yield Hop(priority, requests[start:])


def _echo(request: Echo) -> Answer:
    return EchoAnswer(request.message)


def _prepare_proposal(request: PrepareProposal) -> Answer:
    """The engine's choice, cut where it would become too large, which is fatal to an engine.

    An engine offers too much only if its chain does not limit the size of blocks; then it offers
    its whole mempool. A transaction counts with its tag and its length.
    """
    size = 0
    for count, tx in enumerate(request.txs):
        size += 1 + varint_size(len(tx)) + len(tx)
        if size > request.max_tx_bytes:
            return PrepareProposalAnswer(request.txs[:count])
    return PrepareProposalAnswer(request.txs)


def _unknown(request: Unknown) -> Answer:
    return Failure(f"unknown request, number {request.number}")


_DONE = Done()

_ROUTINE: Mapping[type[Request], Answer | Callable[..., Answer]] = {
    Echo: _echo,
    Flush: _DONE,
    SetOption: _DONE,
    Query: _DONE,
    PrepareProposal: _prepare_proposal,
    ProcessProposal: _DONE,
    ExtendVote: _DONE,
    VerifyVoteExtension: _DONE,
    InsertTx: _DONE,
    ReapTxs: _DONE,
    Unknown: _unknown,
}

_PRIORITIES: Mapping[type[Request], Priority] = {
    CheckTx: Priority.MEMPOOL,
    Info: Priority.QUERY,
    OfferSnapshot: Priority.RESTORING,
    ApplySnapshotChunk: Priority.RESTORING,
    ListSnapshots: Priority.SERVING,
    LoadSnapshotChunk: Priority.SERVING,
}

# After these a hop ends. A chunk has megabytes.
_LAST_OF_HOP = frozenset({Commit, ApplySnapshotChunk, LoadSnapshotChunk})
