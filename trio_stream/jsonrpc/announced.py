"""What one block has for subscribers: for each query, which of its announcements, and their frames.

A frame begins with the subscriber's own id and query; the rest is the same for all and is made
once, if anybody wants it. Announcements have numbers, in the engine's order: what is about the
whole block, its transactions, its validators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.frames import Announcement, announcements, frame
from trio_stream.cometbft.items import Item
from trio_stream.cometbft.queries import Expression
from trio_stream.cometbft.query_index import Matches
from trio_stream.jsonrpc.encoding import encoded
from trio_stream.jsonrpc.lines import Line
from trio_stream.stream.frames import text_head
from trio_stream.stream.position import position_text

TEMPLATES: Final = 1000
TEMPLATE_FRAMES: Final = 256
"""Templates of one block, and frames in each of them: together some megabytes."""

frame_head = lru_cache(1024)(text_head)
"""There are few different sizes in a block."""

LARGE: Final = 500
"""Events above which a frame's text is made in pieces; a thousand take some milliseconds."""

SEEN: Final = 100_000
"""Matches of queries that are remembered within one block: some megabytes."""

_OVERHEAD: Final = 200
"""Roughly, the bytes of memory that an entry takes beside its text."""

_ABOUT_BLOCKS: Final = frozenset(["NewBlock", "NewBlockHeader", "NewBlockEvents"])


class Index(Protocol):
    """What finds the queries that hold: `QueryIndex`."""

    def steps(self, items: Iterable[Item]) -> Iterable[list[Matches]]: ...


class Held(NamedTuple):
    """What a block has for one query."""

    numbers: Sequence[int]
    """Of the announcements that it holds of, rising."""
    size: int
    """Bytes of their tails."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a block has for those queries that were asked of it."""

    height: int
    position: str
    """The whole block has been seen, as clients see it."""
    first_tx: int
    """The number of its first transaction, if it has any."""
    numbers: Mapping[Expression, Sequence[int]]
    """For each query that was asked, the numbers of what it holds of, rising."""
    tails: Mapping[int, bytes]
    """By number, what a frame has after its query."""
    positions: Mapping[int, str]
    """By number, the position of a transaction."""
    shared: dict[object, Any] = field(default_factory=dict)
    """Joined frames that more than one client wants."""
    templates: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)
    """Parts of frames of one query, with room for heads of one length. Keys are identities of
    lists in `numbers`, since a query takes microseconds to hash, and lengths."""
    _held: dict[int, Held] = field(init=False, repr=False, compare=False)
    # By the identity of the query, which `numbers` keeps alive.

    def __post_init__(self) -> None:
        tails = self.tails
        held = {
            id(query): Held(numbers, sum(len(tails[number]) for number in numbers))
            for query, numbers in self.numbers.items()
        }
        object.__setattr__(self, "_held", held)

    @property
    def weight(self) -> int:
        """Roughly how many bytes of memory this takes."""
        texts = sum(map(len, self.tails.values()))
        entries = len(self.tails) + sum(map(len, self.numbers.values()))
        return texts + _OVERHEAD * (1 + entries)

    def held_of(self, query: Expression) -> Held | None:
        """What it has for a query; None if that may not have been asked: an equal one may have."""
        return self._held.get(id(query))

    def held(self, query: Expression) -> Held:
        """What it has for a query that was asked, or for one that is equal to it."""
        found = self._held.get(id(query))
        if found is None:
            numbers = self.numbers[query]
            found = Held(numbers, sum(len(self.tails[number]) for number in numbers))
        return found

    def parts(self, numbers: Sequence[int], head: bytes) -> list[bytes]:
        """The parts of frames with that head: all that it has for a query."""
        key = id(numbers), len(head)
        template = self.templates.get(key)
        if template is None:
            template = []
            for number in numbers:
                tail = self.tails[number]
                template += (frame_head(len(head) + len(tail)), head, tail)
            if len(self.templates) < TEMPLATES and len(numbers) <= TEMPLATE_FRAMES:
                self.templates[key] = template
        parts = template.copy()
        parts[1::3] = [head] * len(numbers)
        return parts

    def stop_sharing(self) -> None:
        """Forget what is only useful while many clients get the block."""
        self.shared.clear()
        self.templates.clear()

    def covers(self, queries: Iterable[Expression]) -> bool:
        """Have all of these been asked?"""
        return all(id(each) in self._held or each in self.numbers for each in queries)

    def position_after(self, query: Expression, number: int) -> str | None:
        """Where to resume from after this frame; None if that is no place to resume from.

        What is about the whole block comes before its transactions. Who has seen just that has
        seen no transaction, unless there is nothing more of this block.
        """
        if number == self.held(query).numbers[-1]:
            return self.position
        return self.positions.get(number)


def announce(
    block: FollowedBlock, queries: Sequence[Expression], line: Line, index: Index
) -> Announced:
    """What a block has for these queries, all of which are in the index.

    Raises Malformed if the node's own words make no frame.
    """
    made = list(
        announcements(block.raw_block, block.raw_results, block.block, block.results)
    )
    first_tx = sum(each.kind in _ABOUT_BLOCKS for each in made)
    last_tx = first_tx + len(block.block.txs) - 1
    events = sum(len(each.item.events) for each in made)
    numbers: dict[Expression, list[int]] = {query: [] for query in queries}
    tails: dict[int, bytes] = {}
    positions: dict[int, str] = {}
    found = (each for step in index.steps(each.item for each in made) for each in step)
    # The index answers with the same tuple where the same conditions hold.
    seen: dict[int, tuple[Matches, list[list[int]]]] = {}
    room = SEEN
    for number, matches in enumerate(found):
        if id(matches) not in seen:
            room -= len(matches)
            if room < 0:
                seen.clear()
                room = SEEN - len(matches)
            seen[id(matches)] = (
                matches,
                [numbers[query] for query in matches if query in numbers],
            )
        _, wanted = seen[id(matches)]
        for some in wanted:
            some.append(number)
        if wanted:
            each = made[number]
            size = events if each.kind == "NewBlock" else len(each.item.events)
            tails[number] = tail(each, line, is_large=size > LARGE)
            if first_tx <= number <= last_tx:
                tx = number - first_tx
                tx_hash = block.block.tx_hashes[tx].lower()
                positions[number] = position_text(block.height, tx, tx_hash)
    position = position_text(block.height, None, block.hash.hex())
    return Announced(block.height, position, first_tx, numbers, tails, positions)


def tail(announcement: Announcement, line: Line, *, is_large: bool) -> bytes:
    """What a frame has after its query, up to the end of the message."""
    made = frame(announcement, "", tags=line.has_tags)
    del made["query"]
    return encoded(made, is_large=is_large)[1:] + b"}"
