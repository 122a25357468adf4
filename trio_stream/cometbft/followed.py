"""What a follower hands to its log: blocks that were checked, and heights that nobody has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trio_stream.cometbft.blocks import Block
from trio_stream.cometbft.fields import Members
from trio_stream.cometbft.results import BlockResults

Reason = Literal[
    "pruned", "discarded", "results_missing", "broken_record", "corrupt", "too_large"
]


@dataclass(frozen=True, slots=True)
class FollowedBlock:
    """A block and what became of it, each as it was read and as the node wrote it."""

    block: Block
    results: BlockResults
    raw_block: Members
    """The `result` of `block`."""
    raw_results: Members
    """The `result` of `block_results`."""

    @property
    def height(self) -> int:
        return self.block.header.height

    @property
    def hash(self) -> bytes:
        return self.block.block_id.hash


@dataclass(frozen=True, slots=True)
class Gap:
    """Heights from `first` to `last`, both included, that no node can give."""

    first: int
    last: int
    reason: Reason
    detail: str
    """One line for people."""


@dataclass(frozen=True, slots=True)
class FollowedTip:
    """How far the log is: the highest height that is in it, as a block or in a gap."""

    height: int
    """One below the first if there is nothing yet."""
    hash: bytes | None
    """Of the block; None for a gap, after which there is no link to check."""


@dataclass(frozen=True, slots=True)
class FollowedChain:
    """Which chain a log is of, and where it starts."""

    chain_id: str
    first: int
