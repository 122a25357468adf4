"""A commit log in memory, with the reading side that the commit channel asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import trio

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Tip
from trio_stream.stream.events import CommitEvent, CommittedBlock, Page, Refusal
from trio_stream.stream.position import Position


def sha256(height: int, index: int) -> bytes:
    """The hash of the bytes of the transaction at this place."""
    return hashlib.sha256(b"%d:%d" % (height, index)).digest()


def event(height: int, index: int) -> CommitEvent:
    """An event that looks like any other; an asset's own CREATE where `index` is even."""
    transaction_id = hashlib.sha3_256(b"%d:%d" % (height, index)).hexdigest()
    asset_id = hashlib.sha3_256(b"asset").hexdigest() if index % 2 else transaction_id
    operation = "TRANSFER" if index % 2 else "CREATE"
    return CommitEvent(
        height, index, asset_id, transaction_id, sha256(height, index), operation
    )


def refusal(height: int, index: int) -> Refusal:
    return Refusal(height, index, None, sha256(height, index), "DoubleSpend", "spent")


class MemoryLog:
    """Blocks that were committed; `reads` and `replays` tell what was asked for."""

    def __init__(self) -> None:
        self.blocks: list[CommittedBlock] = []
        self.reads: list[int] = []
        self.replays: list[Position] = []

    @property
    def height(self) -> int:
        return self.blocks[-1].height if self.blocks else 0

    @property
    def events(self) -> list[CommitEvent]:
        return [event for block in self.blocks for event in block.events]

    def commit(self, events: int = 1, *, refused: Iterable[int] = ()) -> int:
        """Add a block of so many events, with the given indexes refused; its height."""
        height, refused = self.height + 1, set(refused)
        indexes = [i for i in range(events + len(refused)) if i not in refused]
        self.blocks.append(
            CommittedBlock(
                height,
                f"{height:064x}",
                tuple(event(height, index) for index in indexes),
                tuple(refusal(height, index) for index in sorted(refused)),
                Time(1_700_000_000 + height, height),
            )
        )
        return height

    async def tip(self) -> Tip:
        await trio.lowlevel.checkpoint()
        return Tip(self.height, "")

    async def blocks_after(
        self, height: int, *, max_bytes: int
    ) -> list[CommittedBlock]:
        await trio.lowlevel.checkpoint()
        self.reads.append(height)
        found: list[CommittedBlock] = []
        for block in self.blocks[height:]:
            max_bytes -= 200 * len(block.events)
            if found and max_bytes < 0:
                break
            found.append(block)
        return found

    async def replay(self, after: Position, *, max_bytes: int, max_rows: int) -> Page:
        await trio.lowlevel.checkpoint()
        self.replays.append(after)
        count = min(max_rows, max_bytes // 200)
        later = [e for e in self.events if Position(e.height, e.index) > after][:count]
        if len(later) < count:
            return Page(later, max(after, Position.end_of(self.height)))
        return Page(later, Position(later[-1].height, later[-1].index))
