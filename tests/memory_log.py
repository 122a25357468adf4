"""A commit log in memory, with the reading side that the commit channel asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import trio

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Tip
from trio_stream.stream.composer import Composer
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import Frames, text_frame, texts_in
from trio_stream.stream.matching import Matched, SelectionIndex
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks
from trio_stream.stream.runs import cut

CHAIN, START_HASH = "memory", "0a" * 32
KEYS = [letter * 44 for letter in "ABC"]


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


def app_hash(height: int) -> str:
    return hashlib.sha3_256(b"block %d" % height).hexdigest()


def refusal(height: int, index: int) -> RefusalEvent:
    return RefusalEvent(
        height, index, None, sha256(height, index), "DoubleSpend", "spent"
    )


def keys_of(height: int, index: int) -> frozenset[str]:
    """The public keys that the transaction at this place names."""
    return frozenset([KEYS[height % 3], KEYS[index % 3]])


def raw_of(height: int, index: int) -> bytes:
    """The bytes of the transaction at this place, more or less."""
    return b'{"id": "%b"}' % event(height, index).transaction_id.encode()


class MemoryLog:
    """Blocks that were committed; `reads` and `replays` tell what was asked for."""

    def __init__(self) -> None:
        self.blocks: list[CommittedBlock] = []
        self.reads: list[int] = []
        self.replays: list[Position] = []
        self.looked_into: list[Position] = []
        self.most_contents = 1_000

    @property
    def height(self) -> int:
        return self.blocks[-1].height if self.blocks else 0

    @property
    def events(self) -> list[CommitEvent]:
        return [event for block in self.blocks for event in block.events]

    @property
    def refused(self) -> list[RefusalEvent]:
        return [refusal for block in self.blocks for refusal in block.refused]

    def commit(self, events: int = 1, *, refused: Iterable[int] = ()) -> int:
        """Add a block of so many events, with the given indexes refused; its height."""
        height, refused = self.height + 1, set(refused)
        indexes = [i for i in range(events + len(refused)) if i not in refused]
        self.blocks.append(
            CommittedBlock(
                height,
                app_hash(height),
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

    async def frames(self, request: PageRequest) -> Frames:
        """A page by way of what is made for live subscribers, of so many events at most."""
        await trio.lowlevel.checkpoint()
        selection, after, until, max_bytes, max_rows = request
        self.replays.append(after)
        index = SelectionIndex()
        index.add(selection)
        data, ends, keys = b"", list[int](), list[int]()
        up_to = min(until, Position.end_of(self.height))
        for run in cut(self.blocks, after=Position.end_of(0)):
            contents = {p.key: self.contents_of(p) for p in index.wanted(run)}
            found: Matched = {}
            for _ in index.match(run, contents, found):
                pass
            for numbers in found.values():
                made = Composer(run, contents).frames(selection, numbers or ())
                texts = dict(zip(made.ends, texts_in(made.data), strict=True))
                for end, key in zip(made.ends, made.keys, strict=True):
                    if not after.key < key <= up_to.key:
                        continue
                    if keys and (len(keys) >= max_rows or len(data) >= max_bytes):
                        end_of_page = Position.of_key(keys[-1])
                        return Frames(after, end_of_page, data, ends, keys)
                    data += text_frame(texts[end])
                    ends.append(len(data))
                    keys.append(key)
        return Frames(after, max(after, up_to), data, ends, keys)

    async def frame_pages(
        self, request: PageRequest, *, take: Callable[[Frames], bool]
    ) -> None:
        """In the event loop, but what `take` sends there comes first, as from a thread."""
        more = True
        while more:
            page = await self.frames(request)
            more = take(page)
            request = request.following(page)
            arrived = trio.Event()
            trio.lowlevel.current_trio_token().run_sync_soon(arrived.set)
            await arrived.wait()

    def contents_of(self, place: Position) -> Contents:
        """What the transaction at this place holds."""
        return Contents(keys_of(*place), raw_of(*place))

    async def contents(
        self, places: Sequence[Position], *, max_bytes: int
    ) -> dict[int, Contents]:
        await trio.lowlevel.checkpoint()
        self.looked_into += places
        some = places[: self.most_contents]
        return {place.key: self.contents_of(place) for place in some}

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        await trio.lowlevel.checkpoint()
        return Landmarks(
            chain=CHAIN,
            start_hash=START_HASH,
            tip=self.height,
            tip_hash=self.blocks[-1].app_hash if self.blocks else "",
            found=self._find(place),
        )

    def _find(self, place: Position | str | None) -> Found | None:
        found = {
            **{Position.end_of(b.height): b.app_hash for b in self.blocks},
            **{Position(e.height, e.index): e.transaction_id for e in self.events},
            **{Position(r.height, r.index): r.tx_sha256.hex() for r in self.refused},
        }
        if isinstance(place, Position):
            return Found(place, found.get(place))
        return next((Found(p, id_) for p, id_ in found.items() if id_ == place), None)
