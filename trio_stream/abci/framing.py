"""Cutting a stream of bytes into messages, and the two ways of saying a length.

A stream is a plain sequence of `prefix || protobuf message`. Up to 0.34 the prefix is Go's *signed*
varint of the length L, that is a base-128 varint of 2·L; from CometBFT 0.37 on it is the plain
varint of L. Nothing announces which, but the first message shows it. Every request has exactly one
field, so its bytes are

    V    varint, the prefix
    tag  varint, field << 3 | 2
    M    varint, length of the member
    ...  M bytes

and its length is `len(tag) + len(M as written) + M`. V is that length, or twice that length, or the
peer does not speak ABCI. V, tag and M lie at the same places either way, so reading them does not
depend on what it is to find out, and a length of at least two is never its own double: exactly one
answer can be right. It needs at most seventeen bytes, all of the first message, so it never waits
for bytes that don't come.

A declared length is compared with the limit before any of the message is kept.
"""

from __future__ import annotations

import enum

from trio_stream.abci.errors import RemoteProtocolError

_LEN = 2
"""Protobuf's wire type of a member with a length in front."""
_MAX_UINT64 = 2**64 - 1
_MAX_TAG = 2**32 - 1
_TRIM_BYTES = 64 * 1024
"""Bytes that were handed out are kept up to this number, since removing them costs as much each
time."""
_SMALLEST_REQUEST = 2
"""The length of an empty member in bytes: its tag and a zero."""


class Framing(enum.Enum):
    """How the length in front of a message is written."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"


def read_varint(data: bytes | bytearray, offset: int) -> tuple[int, int] | None:
    """The number at `offset`, and the offset after it; None if bytes are missing."""
    value = shift = 0
    # Ten bytes hold 64 bits, so an eleventh is never looked at.
    for position in range(offset, min(len(data), offset + 10)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > _MAX_UINT64:
                raise RemoteProtocolError("a number is longer than 64 bits")
            return value, position + 1
        shift += 7
    if len(data) >= offset + 10:
        raise RemoteProtocolError("a number is longer than 64 bits")
    return None


def write_varint(value: int) -> bytes:
    """The shortest varint of `value`, which must not be negative."""
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def varint_size(value: int) -> int:
    """How many bytes `write_varint` returns."""
    return max(1, (value.bit_length() + 6) // 7)


def frame(message: bytes, framing: Framing) -> bytes:
    """`message` with its length in front."""
    length = len(message)
    if framing is Framing.SIGNED:
        length *= 2
    # Most answers are this short.
    if length < 0x80:
        return bytes((length,)) + message
    return write_varint(length) + message


def split_tag(tag: int) -> tuple[int, int]:
    """Field number and wire type; raises RemoteProtocolError if no field can have the tag."""
    if tag > _MAX_TAG or tag >> 3 == 0:
        raise RemoteProtocolError(f"no field can have the tag {tag}")
    return tag >> 3, tag & 7


def detect_framing(data: bytes | bytearray) -> Framing | None:
    """Which prefix the first message has; None as long as that can't be known."""
    if (prefix := read_varint(data, 0)) is None:
        return None
    declared, tag_at = prefix
    if declared < _SMALLEST_REQUEST:
        raise RemoteProtocolError("the first message is too short to be one")
    if (tag := read_varint(data, tag_at)) is None:
        return None
    _, wire_type = split_tag(tag[0])
    if wire_type != _LEN:
        raise RemoteProtocolError("the first bytes are no ABCI request")
    if (member := read_varint(data, tag[1])) is None:
        return None
    member_length, member_at = member
    length = member_at - tag_at + member_length
    if declared == length:
        return Framing.UNSIGNED
    if declared == 2 * length:
        return Framing.SIGNED
    raise RemoteProtocolError("the first length fits neither kind of prefix")


class FrameReader:
    """Bytes in, whole messages out; detects the framing unless it is given.

    Holds at most one incomplete message of up to `limit` bytes, and what arrived together with its
    beginning.
    """

    def __init__(self, *, limit: int, framing: Framing | None = None) -> None:
        self.framing = framing
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0
        self._enough = 1
        """How many bytes from `_start` on are needed before another look makes sense."""

    def feed(self, data: bytes | bytearray) -> None:
        """Take data from the peer."""
        if self._start:
            # Everything but an incomplete message has been handed out. What remains came with the
            # last feed, so in a message's life each byte is moved here at most once.
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    @property
    def unfinished(self) -> int:
        """How many bytes have not been handed out."""
        return len(self._buffer) - self._start

    @property
    def ready(self) -> int:
        """How many bytes may be whole messages; 0 while the first is known to be incomplete."""
        return self.unfinished if self.unfinished >= self._enough else 0

    def next_frame(self) -> bytes | None:
        """The next message without its prefix; None until it is complete."""
        buffer, start = self._buffer, self._start
        if len(buffer) - start < self._enough:
            return None
        if self.framing is None:
            self.framing = detect_framing(buffer)
            if self.framing is None:
                return None
        if (prefix := read_varint(buffer, start)) is None:
            return None
        length, message_at = prefix
        if self.framing is Framing.SIGNED:
            if length & 1:
                raise RemoteProtocolError("a message has a negative length")
            length >>= 1
        if length > self._limit:
            raise RemoteProtocolError(
                f"a message of {length} bytes exceeds the limit of {self._limit}"
            )
        if length < _SMALLEST_REQUEST:
            raise RemoteProtocolError("a message is too short to be a request")
        end = message_at + length
        if len(buffer) < end:
            self._enough = end - start
            return None
        # One copy; slicing the bytearray itself would make two.
        message = bytes(memoryview(buffer)[message_at:end])
        self._enough = 1
        self._start = end
        if end == len(buffer) or end >= _TRIM_BYTES:
            # A large message would be kept for as long as its sender sends nothing more.
            del buffer[:end]
            self._start = 0
        return message
