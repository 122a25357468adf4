"""What one client has subscribed to, how far it is with each, and the frames that come next.

Each subscription has a height of its own, since one may resume from long ago beside others that are
at the tip. They take turns; those at the same height are served together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from trio_stream.cometbft.queries import Expression
from trio_stream.jsonrpc.announced import Announced
from trio_stream.jsonrpc.answers import (
    ALREADY_SUBSCRIBED,
    NOT_FOUND,
    Cancelled,
    Failure,
    cancelled,
)
from trio_stream.jsonrpc.subscription import MOST_MORE, Key, Subscription
from trio_stream.stream.frames import text_frame

MOST: Final = 1000
"""Subscriptions of one client."""

CHUNK_BYTES: Final = 64 * 1024
"""Frames that are put together for one client, but at least one; larger ones are not copied."""

IN_PLACE_BYTES: Final = 256 * 1024
"""Frames that are put together for one client that is expected to take all of them at once."""

SHARED_BYTES: Final = 1024 * 1024
"""Frames of one block that are put together for several clients. A slow one keeps them."""

SHARED: Final = 64
"""Different ones of these for one block."""


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

    def remove(self, keys: Iterable[Key]) -> Subscription:
        """Remove the first of these that is there; raises Failure if none is."""
        for key in keys:
            if key in self._all:
                self._profile = None
                return self._all.pop(key)
        raise Failure(NOT_FOUND)

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
            self._profile = tuple(each.look for each in self)
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
        if is_shared and (shared := self._shared(announced)) is not None:
            self.passed(announced)
            return shared
        parts: list[bytes] = []
        room = CHUNK_BYTES
        for each in here:
            numbers = announced.held(each.query).numbers
            if each.skipped is not None:
                each.number = announced.first_tx + each.skipped + 1
                each.skipped = None
            for number in numbers[bisect_left(numbers, each.number) :]:
                start, tail = each.start(announced, number), announced.tails[number]
                size = len(start) + len(tail)
                if size > CHUNK_BYTES and not parts:
                    return Chunk(large=Large(each, number, start))
                if size > room:
                    return Chunk(b"".join(parts), len(parts) // 2)
                room -= size
                parts += (start, tail)
                each.number = number + 1
            each.go_on()
        return Chunk(b"".join(parts), len(parts) // 2)

    def whole(self, announced: Announced, *, is_shared: bool = False) -> Chunk | None:
        """All frames of a block; None if that is too much, or not all of it is what comes next.

        Nothing is taken by this: see `passed` and `passed_up_to`.
        """
        here: list[Subscription] = []
        frames, room = 0, IN_PLACE_BYTES
        for each in self._all.values():
            if each.height > announced.height:
                continue
            held = announced.held_of(each.query)
            if held is None or each.height < announced.height or not each.is_at_start:
                return None
            count = len(held.numbers)
            frames += count
            room -= held.size + count * (len(each.head) + MOST_MORE)
            if count:
                here.append(each)
        if is_shared and (shared := self._shared(announced)) is not None:
            return shared
        if room < 0:
            return None
        parts: list[bytes] = []
        for each in here:
            parts += each.frames(announced, announced.held(each.query).numbers)
        return Chunk(b"".join(parts), frames)

    def passed(self, announced: Announced) -> None:
        """Nothing is left of a block for those at its height."""
        for each in self._all.values():
            if each.height == announced.height:
                each.go_on()

    def passed_up_to(self, announced: Announced, sent: int) -> tuple[int, int]:
        """Of `whole`, only so many bytes were sent: returns how many frames these are, with the one
        that has begun, and where that ends. What comes next is what follows it.
        """
        frames = end = 0
        for each in self:
            if each.height == announced.height:
                for number in announced.held(each.query).numbers:
                    end += len(each.start(announced, number))
                    end += len(announced.tails[number])
                    each.number = number + 1
                    frames += 1
                    if end >= sent:
                        return frames, end
                each.go_on()
        return frames, end

    def cancel(self, height: int, why: Cancelled) -> bytes:
        """End all subscriptions at that height; what their client is told."""
        told = []
        for key, each in list(self._all.items()):
            if each.height == height:
                del self._all[key]
                told.append(text_frame(cancelled(each.id, why)))
        self._profile = None
        return b"".join(told)

    def _shared(self, announced: Announced) -> Chunk | None:
        """All frames of a block; None if that is too much, or not what others have of it."""
        here = list(self)
        for each in here:
            is_here = each.height == announced.height and each.is_at_start
            if not is_here or each.has_positions:
                return None
        found: Chunk | None = announced.shared.get(self.profile)
        if found is None and len(announced.shared) < SHARED:
            held = [announced.held(each.query) for each in here]
            size = sum(
                each.size + len(each.numbers) * len(subscription.head)
                for subscription, each in zip(here, held)
            )
            if size > SHARED_BYTES:
                return None
            parts = (
                part
                for subscription, each in zip(here, held)
                for part in subscription.frames(announced, each.numbers)
            )
            frames = sum(len(each.numbers) for each in held)
            found = announced.shared[self.profile] = Chunk(b"".join(parts), frames)
        return found
