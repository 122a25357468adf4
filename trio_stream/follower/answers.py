"""What a node answered for a height, or for some in a row: blocks and results, or why not."""

from __future__ import annotations

import json
from typing import NamedTuple

from trio_stream.cometbft import envelope
from trio_stream.cometbft.blocks import Block, read_block
from trio_stream.cometbft.errors import (
    BadBody,
    BlockNotThere,
    HeightInFuture,
    NotJson,
    Pruned,
    Refusal,
)
from trio_stream.cometbft.events import Spelling
from trio_stream.cometbft.fields import members
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.results import BlockResults, read_results

RESULTS, BLOCK = 1, 2
"""The ids of the two calls for a height; for each further one in a batch they are two higher."""


class NotBatch(BadBody):
    """A batch was answered as if it were one call."""


class Bodies(NamedTuple):
    """What a node answered: a batch, or for one height the two answers by themselves."""

    height: int
    batch: bytes | None
    results: bytes
    block: bytes
    together: int = 1
    """Of so many heights, `height` being the first."""

    @property
    def size(self) -> int:
        return len(self.batch or b"") + len(self.results) + len(self.block)


class Pair(NamedTuple):
    """The two answers; each may be refused, and what could be read of it is there."""

    raw_block: object
    raw_results: object
    block: Block | Refusal
    results: BlockResults | Refusal

    def followed(self) -> FollowedBlock:
        """Both; raises the Refusal of the one that is missing."""
        # Of two refusals that of the block says more: the height is above the tip, or pruned.
        if isinstance(self.block, Refusal):
            if isinstance(self.results, (HeightInFuture, Pruned)):
                raise self.results
            raise self.block
        if isinstance(self.results, Refusal):
            raise self.results
        return FollowedBlock(
            self.block,
            self.results,
            members(self.raw_block, "the answer"),
            members(self.raw_results, "the answer"),
        )


def calls_for(height: int, count: int = 1) -> list[str]:
    """The calls for so many heights, results first, so that a block is there if they are."""
    return [
        call_of(2 * number + name, method, height=str(height + number))
        for number in range(count)
        for name, method in ((RESULTS, "block_results"), (BLOCK, "block"))
    ]


def read_pairs(
    bodies: Bodies, *, limit: int, last: Spelling | None, forced: Spelling | None
) -> list[Pair]:
    """What the bytes say of each height; raises BadBody, and a Refusal of a batch as a whole."""
    if bodies.batch is None:
        raw = [read_answer(body, limit) for body in (bodies.results, bodies.block)]
    else:
        if envelope.start_of(bodies.batch)[:1] == b"{":
            # One object: what is refused is the batch.
            envelope.answer(bodies.batch, limit=limit)
            raise NotBatch("a batch was answered with one result")
        ids = range(RESULTS, RESULTS + 2 * bodies.together)
        raw = envelope.answers(bodies.batch, ids, limit=limit)
    pairs = []
    for raw_results, raw_block in zip(raw[::2], raw[1::2], strict=True):
        block = raw_block if isinstance(raw_block, Refusal) else _block(raw_block)
        results = raw_results
        if not isinstance(results, Refusal):
            results = read_results(results, last=last, forced=forced)
            last = results.spelling
        pairs.append(Pair(raw_block, raw_results, block, results))
    return pairs


def read_answer(body: bytes, limit: int) -> object:
    """The result, or the Refusal, of a call by itself; raises BadBody."""
    try:
        return envelope.answer(body, limit=limit)
    except Refusal as refused:
        return refused


def _block(raw: object) -> Block | Refusal:
    try:
        return read_block(raw)
    except BlockNotThere as missing:
        return missing


def call_of(number: int, method: str, **params: str) -> str:
    """A call of a node's method, as JSON-RPC writes it."""
    return json.dumps(
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    )


def is_health(message: bytes) -> bool:
    """Whether a message on the WebSocket answers `health`. Raises NotJson."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        raise NotJson("a message on the WebSocket is no JSON") from None
    return isinstance(document, dict) and document.get("id") == 0
