"""WebSocket frames that all clients share.

A frame from the server carries no mask and, without extensions, no state (RFC 6455,
5.1 and 5.2). So the bytes of one event are the same for everybody: they are made once,
and consecutive events are joined, so that one write gives a client all of them. `Frames`
is such a run of frames. It also knows where each frame ends and which
position a reader has reached with it, because a socket may take any number of bytes, and
the rest of a run is found again by position.

Which client is sent what is not decided here, but in `subscription`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from trio_stream.stream.events import CommitEvent, encode
from trio_stream.stream.position import Position, key_of

_TEXT, _CLOSE, _PING = 0x81, 0x88, 0x89  # with FIN set: none of ours is fragmented

# Memory taken by an instance of Frames beside its data: the objects and their headers.
_OVERHEAD = 600


def text_frame(text: bytes) -> bytes:
    """A whole text message, unmasked."""
    size = len(text)
    if size < 126:
        return b"%c%c%b" % (_TEXT, size, text)
    if size < 65536:
        return b"%c\x7e%b%b" % (_TEXT, size.to_bytes(2, "big"), text)
    return b"%c\x7f%b%b" % (_TEXT, size.to_bytes(8, "big"), text)


def text_head(size: int) -> bytes:
    """What comes before a text of that many bytes, for one that is not to be copied."""
    if size < 126:
        return b"%c%c" % (_TEXT, size)
    if size < 65536:
        return b"%c\x7e%b" % (_TEXT, size.to_bytes(2, "big"))
    return b"%c\x7f%b" % (_TEXT, size.to_bytes(8, "big"))


def close_frame(code: int) -> bytes:
    """A Close with this code and no reason."""
    return b"%c\x02%b" % (_CLOSE, code.to_bytes(2, "big"))


def ping_frame(payload: bytes = b"") -> bytes:
    """A Ping with a payload of at most 125 bytes."""
    return b"%c%c%b" % (_PING, len(payload), payload)


def is_close(frame: bytes | bytearray | memoryview) -> bool:
    """Does this start with a Close frame?"""
    return bool(frame) and frame[0] == _CLOSE


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Frames:
    """The joined frames of all events after `start`, up to and including `end`.

    `end` may lie beyond the last frame: there are no messages in between.
    """

    start: Position
    end: Position
    data: bytes = b""
    # For each frame: the offset of its end, and the key of its message's position.
    # Arrays, since a tuple of positions would weigh as much as the frames.
    ends: Sequence[int] = field(default_factory=lambda: array("Q"))
    keys: Sequence[int] = field(default_factory=lambda: array("Q"))

    @property
    def weight(self) -> int:
        """Roughly how many bytes of memory this takes."""
        return len(self.data) + 16 * len(self.ends) + _OVERHEAD

    def frame_end(self, offset: int) -> int:
        """The first end of a frame at or after `offset`."""
        return self.ends[bisect_left(self.ends, offset)] if offset else 0

    def position_at(self, offset: int) -> Position:
        """Where a reader stands once it has taken the data up to the frame end `offset`."""
        if offset == len(self.data):
            return self.end
        if offset == 0:
            return self.start
        return Position.of_key(self.keys[bisect_left(self.ends, offset)])

    def offset_after(self, position: Position) -> int:
        """Where the frames start that a reader at `position` has not seen."""
        if position <= self.start:
            return 0
        seen = bisect_right(self.keys, position.key)
        return self.ends[seen - 1] if seen else 0

    def until(self, last: Position) -> Frames:
        """Only the frames up to and including `last`."""
        if self.end <= last:
            return self
        kept = bisect_right(self.keys, last.key)
        size = self.ends[kept - 1] if kept else 0
        end = max(last, self.start)
        return Frames(
            self.start, end, self.data[:size], self.ends[:kept], self.keys[:kept]
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The part of `frames` from `offset` on, where a frame starts."""

    frames: Frames
    offset: int = 0

    @property
    def data(self) -> bytes | memoryview:
        if self.offset == 0:
            return self.frames.data
        return memoryview(self.frames.data)[self.offset :]

    def take(self, size: int) -> tuple[bytes, Position]:
        """A copy of whole frames: at most `size` bytes, but at least one frame.

        It comes with the position that a reader has reached once it was given them.
        """
        frames = self.frames
        wanted = min(self.offset + size, len(frames.data))
        cut = bisect_right(frames.ends, wanted)
        end = frames.ends[cut - 1] if cut else 0
        if end <= self.offset:
            end = frames.frame_end(self.offset + 1) if self.offset < wanted else wanted
        return frames.data[self.offset : end], frames.position_at(end)


def frame_texts(
    texts: Iterable[tuple[int, bytes]], *, start: Position, end: Position
) -> Frames:
    """Frame texts, each given with the key of its position, between `start` and `end`."""
    data: list[bytes] = []
    ends, keys = array("Q"), array("Q")
    size = 0
    for key, text in texts:
        frame = text_frame(text)
        size += len(frame)
        data.append(frame)
        ends.append(size)
        keys.append(key)
    return Frames(start, end, b"".join(data), ends, keys)


def frame_events(
    events: Iterable[CommitEvent], *, start: Position, end: Position
) -> Frames:
    """Frame the events between `start` and `end`, in BigchainDB's words."""
    texts = ((key_of(e.height, e.index), encode(e)) for e in events)
    return frame_texts(texts, start=start, end=end)


def join(runs: Sequence[Frames]) -> Frames:
    """One run made of several consecutive ones."""
    ends, keys = array("Q"), array("Q")
    size = 0
    for run in runs:
        ends.extend(size + end for end in run.ends)
        keys.extend(run.keys)
        size += len(run.data)
    data = b"".join(run.data for run in runs)
    return Frames(runs[0].start, runs[-1].end, data, ends, keys)


def texts_in(data: bytes | memoryview) -> Iterator[bytes]:
    """The texts in joined frames, as `text_frame` makes them."""
    offset = 0
    while offset < len(data):
        size, offset = data[offset + 1], offset + 2
        extended = {126: 2, 127: 8}.get(size, 0)
        if extended:
            size = int.from_bytes(data[offset : offset + extended], "big")
            offset += extended
        yield bytes(data[offset : offset + size])
        offset += size
