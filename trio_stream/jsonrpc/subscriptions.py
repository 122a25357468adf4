"""What one client has subscribed to, how far it is with each, and the frames that come next.

Each subscription has a height of its own, since one may resume from long ago beside others that are
at the tip. They take turns; those at the same height are served together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

from trio_stream.cometbft.queries import Expression, Generation
from trio_stream.jsonrpc.announced import Announced
from trio_stream.jsonrpc.answers import (
    ALREADY_SUBSCRIBED,
    NOT_FOUND,
    Cancelled,
    Failure,
    Id,
    cancelled,
    dumps,
)
from trio_stream.jsonrpc.lines import Line
from trio_stream.stream.frames import text_frame

MOST: Final = 1000
"""Subscriptions of one client."""

CHUNK_BYTES: Final = 64 * 1024
"""Frames that are put together for one client, but at least one; larger ones are not copied."""

SHARED_BYTES: Final = 1024 * 1024
"""Frames of one block that are put together for several clients. A slow one keeps them."""

SHARED: Final = 1000
"""Different ones of these for one block."""


class Key(NamedTuple):
    """What makes two subscriptions of a client the same: from 0.38 on blanks do not count."""

    query: Expression | str


def key_of(text: str, query: Expression, line: Line) -> Key:
    """The key of a subscription to that query."""
    return Key(query if line.generation is Generation.FROM_0_38 else text)


class Subscription:
    """One subscription and how far it is."""

    __slots__ = ("has_positions", "head", "height", "id", "number", "query", "skipped")

    def __init__(
        self,
        id: Id,
        text: str,
        query: Expression,
        *,
        height: int,
        line: Line,
        skipped: int | None = None,
        has_positions: bool = False,
    ) -> None:
        self.id = dumps(f"{id}#event" if line.is_early else id)
        self.head = b'{"jsonrpc":"2.0","id":%b,"result":{"query":%b,' % (
            self.id,
            dumps(text),
        )
        self.query = query
        self.height = height
        """The next block that it is given."""
        self.number = 0
        """The next announcement of that block."""
        self.skipped = skipped
        """The last transaction of its first block that is not for it."""
        self.has_positions = has_positions


class Large(NamedTuple):
    """A frame that is not copied: its beginning, and what it shares."""

    subscription: Subscription
    number: int
    start: bytes


class Chunk(NamedTuple):
    """What comes next for a client: frames, and one that is sent by itself after them."""

    data: bytes = b""
    frames: int = 0
    large: Large | None = None


class Subscriptions:
    """All subscriptions of one client, by key."""

    def __init__(self) -> None:
        self._all: dict[Key, Subscription] = {}
        self._last = 0
        self._profile: tuple[bytes, ...] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._all.values())

    def check_new(self, key: Key) -> None:
        """Raise Failure if there is no room for one more, or it is there."""
        if len(self._all) >= MOST:
            raise Failure(f"max_subscriptions_per_client {MOST} reached")
        if key in self._all:
            raise Failure(ALREADY_SUBSCRIBED)

    def add(self, key: Key, subscription: Subscription) -> None:
        """Add one that is new."""
        self._all[key] = subscription
        self._profile = None

    def remove(self, key: Key) -> Subscription:
        """Remove one; raises Failure if it is not there."""
        if key not in self._all:
            raise Failure(NOT_FOUND)
        self._profile = None
        return self._all.pop(key)

    def clear(self) -> list[Subscription]:
        """Remove all; raises Failure if there are none."""
        if not self._all:
            raise Failure(NOT_FOUND)
        removed = list(self._all.values())
        self._all.clear()
        self._profile = None
        return removed

    @property
    def lowest(self) -> int | None:
        """The lowest height that one of them is at."""
        return min((each.height for each in self), default=None)

    @property
    def profile(self) -> tuple[bytes, ...]:
        """What two clients have in common whose frames are the same bytes."""
        if self._profile is None:
            self._profile = tuple(each.head for each in self)
        return self._profile

    def due(self, tip: int) -> int | None:
        """The next height that one of them wants, up to the tip: each height in turn."""
        heights = {each.height for each in self if each.height <= tip}
        if not heights:
            return None
        higher = [each for each in heights if each > self._last]
        self._last = min(higher or heights)
        return self._last

    def queries_at(self, height: int) -> list[Expression]:
        """The queries of those at that height."""
        return [each.query for each in self if each.height == height]

    def take(self, announced: Announced, *, is_shared: bool = False) -> Chunk:
        """The next frames of a block, for those who are at its height.

        When nothing more of it is left for a subscription, that goes on to the next height. With
        `is_shared`, other clients want the same bytes: they are made once, all of them.
        """
        here = [each for each in self if each.height == announced.height]
        whole = len(here) == len(self) and all(
            not each.number and each.skipped is None and not each.has_positions
            for each in here
        )
        if (
            is_shared
            and whole
            and (shared := self._shared(announced, here)) is not None
        ):
            for each in here:
                _finish(each)
            return shared
        parts: list[bytes] = []
        room = CHUNK_BYTES
        for each in here:
            numbers = announced.numbers[each.query]
            if each.skipped is not None:
                each.number = announced.first_tx + each.skipped + 1
                each.skipped = None
            for number in numbers[bisect_left(numbers, each.number) :]:
                start, tail = _start(each, announced, number), announced.tails[number]
                size = len(start) + len(tail)
                if size > CHUNK_BYTES and not parts:
                    return Chunk(large=Large(each, number, start))
                if size > room:
                    return _joined(parts)
                room -= size
                parts += (start, tail)
                each.number = number + 1
            _finish(each)
        return _joined(parts)

    def cancel(self, height: int, why: Cancelled) -> bytes:
        """End all subscriptions at that height; what their client is told."""
        told = []
        for key, each in list(self._all.items()):
            if each.height == height:
                del self._all[key]
                told.append(text_frame(cancelled(each.id, why)))
        self._profile = None
        return b"".join(told)

    def _shared(self, announced: Announced, here: list[Subscription]) -> Chunk | None:
        """All frames of a block; None if that is too much."""
        found: Chunk | None = announced.shared.get(self.profile)
        if found is None and len(announced.shared) < SHARED:
            size = sum(
                len(each.head) + len(announced.tails[number])
                for each in here
                for number in announced.numbers[each.query]
            )
            if size > SHARED_BYTES:
                return None
            parts: list[bytes] = []
            for each in here:
                for number in announced.numbers[each.query]:
                    parts += (_start(each, announced, number), announced.tails[number])
            found = announced.shared[self.profile] = _joined(parts)
        return found


def _joined(parts: list[bytes]) -> Chunk:
    """Frames of two parts each."""
    return Chunk(b"".join(parts), len(parts) // 2)


def _finish(subscription: Subscription) -> None:
    subscription.height += 1
    subscription.number = 0
    subscription.skipped = None


def _start(subscription: Subscription, announced: Announced, number: int) -> bytes:
    """All of a frame but what it shares with others."""
    head = subscription.head
    if subscription.has_positions:
        position = announced.position_after(subscription.query, number)
        if position is not None:
            head += b'"position":%b,' % dumps(position)
    size = len(head) + len(announced.tails[number])
    # The frame's own header is what `text_frame` would put before a text of that size.
    if size < 126:
        return b"\x81%c%b" % (size, head)
    if size < 65536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), head)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), head)
