"""WebSocket frames that all clients share.

A frame from the server carries no mask and, without extensions, no state (RFC 6455,
5.1 and 5.2). So the bytes of one event are the same for everybody: they are made once,
and events that follow each other are joined, so that one write gives a client all of
them. `Frames` is such a run of frames. It also knows where each frame ends and which
position a reader has reached with it, because a socket may take any number of bytes, and
the rest of a run is found again by position.

Nothing here knows who is sent what; that is `subscription`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trio_stream.stream.events import CommitEvent, encode
from trio_stream.stream.position import Position

_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89  # with FIN set: none of ours is fragmented

# What an instance of Frames weighs beside its data: the objects and their headers.
_OVERHEAD = 600


def text_frame(text: bytes) -> bytes:
    """A whole text message, unmasked."""
    size = len(text)
    if size < 126:
        return b"%c%c%b" % (_TEXT, size, text)
    if size < 65536:
        return b"%c\x7e%b%b" % (_TEXT, size.to_bytes(2, "big"), text)
    return b"%c\x7f%b%b" % (_TEXT, size.to_bytes(8, "big"), text)


def close_frame(code: int) -> bytes:
    """A Close with this code and no reason."""
    return b"%c\x02%b" % (_CLOSE, code.to_bytes(2, "big"))


def ping_frame(payload: bytes = b"") -> bytes:
    """A Ping with a payload of at most 125 bytes."""
    return b"%c%c%b" % (_PING, len(payload), payload)


def is_close(frame: bytes | bytearray | memoryview) -> bool:
    """Does this begin with a Close frame?"""
    return bool(frame) and frame[0] == _CLOSE


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Frames:
    """The joined frames of all events after `start`, up to and including `end`.

    `end` may lie beyond the last frame: what is between has nothing to say.
    """

    start: Position
    end: Position
    data: bytes = b""
    # For each frame: the offset of its end, and its event's place. Arrays, since a
    # tuple of positions would weigh as much as the frames.
    ends: array[int] = field(default_factory=lambda: array("Q"))
    heights: array[int] = field(default_factory=lambda: array("Q"))
    indexes: array[int] = field(default_factory=lambda: array("I"))

    @property
    def weight(self) -> int:
        """About how many bytes of memory this takes."""
        return len(self.data) + 20 * len(self.ends) + _OVERHEAD

    def frame_end(self, offset: int) -> int:
        """The first end of a frame that is not before `offset`."""
        return self.ends[bisect_left(self.ends, offset)] if offset else 0

    def position_at(self, offset: int) -> Position:
        """Where a reader stands that has taken the data up to the frame end `offset`."""
        if offset == len(self.data):
            return self.end
        if offset == 0:
            return self.start
        frame = bisect_left(self.ends, offset)
        return self._position_of(frame)

    def offset_after(self, position: Position) -> int:
        """Where the frames begin that a reader at `position` has not seen."""
        if position <= self.start:
            return 0
        seen = bisect_right(range(len(self.ends)), position, key=self._position_of)
        return self.ends[seen - 1] if seen else 0

    def _position_of(self, frame: int) -> Position:
        return Position(self.heights[frame], self.indexes[frame])


@dataclass(frozen=True, slots=True)
class Batch:
    """The part of `frames` from `offset`, a frame's beginning, on."""

    frames: Frames
    offset: int = 0

    @property
    def data(self) -> bytes | memoryview:
        if self.offset == 0:
            return self.frames.data
        return memoryview(self.frames.data)[self.offset :]

    def take(self, size: int) -> tuple[bytes, Position]:
        """A copy of at most `size` bytes of whole frames, but of at least one frame.

        With it goes the position that a reader has reached who was given them.
        """
        frames = self.frames
        wanted = min(self.offset + size, len(frames.data))
        cut = bisect_right(frames.ends, wanted)
        end = frames.ends[cut - 1] if cut else 0
        if end <= self.offset:
            end = frames.frame_end(self.offset + 1) if self.offset < wanted else wanted
        return frames.data[self.offset : end], frames.position_at(end)


def frame_events(
    events: Iterable[CommitEvent], *, start: Position, end: Position
) -> Frames:
    """Frame the events that lie after `start`, up to `end`."""
    data: list[bytes] = []
    ends, heights, indexes = array("Q"), array("Q"), array("I")
    size = 0
    for event in events:
        frame = text_frame(encode(event))
        size += len(frame)
        data.append(frame)
        ends.append(size)
        heights.append(event.height)
        indexes.append(event.index)
    return Frames(start, end, b"".join(data), ends, heights, indexes)


def join(runs: Sequence[Frames]) -> Frames:
    """One run made of several that follow each other."""
    ends, heights, indexes = array("Q"), array("Q"), array("I")
    size = 0
    for run in runs:
        ends.extend(size + end for end in run.ends)
        heights.extend(run.heights)
        indexes.extend(run.indexes)
        size += len(run.data)
    data = b"".join(run.data for run in runs)
    return Frames(runs[0].start, runs[-1].end, data, ends, heights, indexes)
