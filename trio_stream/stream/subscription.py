"""Where a subscriber's next bytes come from.

There is one queue, the log on disk. A subscriber is a position in it and nothing else.
In front of the log lies the tail: the frames of its newest blocks, in memory, shared by
all. Hence three cases, and a fourth for a subscriber that is ahead of this node:

    position < tail.start     LOG     the log has to be read
    position < tail.end       a Batch of the tail, or LOG where frames were passed over
    position = tail.end       TIP     nothing yet; wait
    position > tail.end       AHEAD   it has seen more than this node has; wait

The position alone decides between them, so there is no hand-over from catching up to live,
and no event can get lost in between or come twice.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections import OrderedDict

from trio_stream.stream.frames import Batch, Frames, join
from trio_stream.stream.position import Position

# Readers that are some blocks behind get several runs in one write, up to this size. Two
# dozen such joined runs are kept, since readers fall behind in flocks.
JOINED_BYTES = 64 * 1024
_JOINED_KEPT = 24


class Source(enum.Enum):
    """Where to turn if the tail has nothing to give."""

    LOG = enum.auto()
    TIP = enum.auto()
    AHEAD = enum.auto()


class Tail:
    """The newest frames of the log, bounded in bytes; the newest block is always whole.

    It holds everything after `start`, up to and including `end`.
    """

    def __init__(self, end: Position, *, max_bytes: int) -> None:
        self.start = end
        self.end = end
        self._max_bytes = max_bytes
        self._weight = 0
        # The runs that contain frames, and where each begins. Between two of them there
        # may be empty blocks. Those that were passed over are there without their frames.
        self._runs: list[Frames] = []
        self._starts: list[Position] = []
        self._weights: list[int] = []
        self._joined: OrderedDict[tuple[Position, Position], Frames] = OrderedDict()

    @property
    def weight(self) -> int:
        """Roughly how many bytes of memory the tail takes, with what was passed over."""
        return self._weight

    def append(self, frames: Frames) -> None:
        """Add the frames that follow `end`, and drop the oldest ones if necessary."""
        if frames.start != self.end:
            raise ValueError(f"frames after {frames.start} do not follow {self.end}")
        if frames.data:
            self._append(frames, frames.weight)
        self.end = frames.end

    def pass_over(self, end: Position, weight: int) -> None:
        """Add everything up to `end` without its frames; readers find them in the log."""
        self._append(Frames(self.end, end), weight)

    def _append(self, frames: Frames, weight: int) -> None:
        self.end = frames.end
        self._runs.append(frames)
        self._starts.append(frames.start)
        self._weights.append(weight)
        self._weight += weight
        surplus = 0
        newest = self.end.height
        while self._weight > self._max_bytes:
            oldest = self._runs[surplus]
            if oldest.end.height >= newest:
                break
            self._weight -= self._weights[surplus]
            self.start = oldest.end
            surplus += 1
        del self._runs[:surplus]
        del self._starts[:surplus]
        del self._weights[:surplus]

    def next_read(self, position: Position) -> Batch | Source:
        """Say where a subscriber at `position` gets its next frames from."""
        if position >= self.end:
            return Source.TIP if position == self.end else Source.AHEAD
        if position < self.start:
            return Source.LOG
        first = max(bisect_right(self._starts, position) - 1, 0)
        for number in range(first, len(self._runs)):
            run = self._runs[number]
            if not run.data and position < run.end:
                return Source.LOG
            offset = run.offset_after(position)
            if offset < len(run.data):
                return self._batch(number, offset)
        return Source.TIP  # only empty blocks lie between it and the end

    def _batch(self, number: int, offset: int) -> Batch:
        size = len(self._runs[number].data) - offset
        last = number + 1
        while last < len(self._runs) and self._runs[last].data:
            size += len(self._runs[last].data)
            if size > JOINED_BYTES:
                break
            last += 1
        if last == number + 1:
            return Batch(self._runs[number], offset)
        key = (self._starts[number], self._starts[last - 1])
        joined = self._joined.get(key)
        if joined is None:
            joined = self._joined[key] = join(self._runs[number:last])
            if len(self._joined) > _JOINED_KEPT:
                self._joined.popitem(last=False)
        return Batch(joined, offset)
