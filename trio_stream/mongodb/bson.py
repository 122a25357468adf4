"""BSON, as mongodump writes it: documents one after the other, each with its length first.

    document = int32 length, elements, 00
    element  = type, name as UTF-8, 00, value

Only what JSON has is read as it is; numbers keep their kind, since an id depends on it. Other
types that occur beside it (an ObjectId is in every document) are skipped and become `Foreign`.
Whatever a length says is checked before anything is read by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final

from trio_stream.mongodb.values import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    BadDump,
    Document,
    Foreign,
)

_INT32: Final = Struct("<i")
_INT64: Final = Struct("<q")
_DOUBLE: Final = Struct("<d")

_FOREIGN: Final = {
    0x07: ("ObjectId", 12),
    0x09: ("date", 8),
    0x11: ("timestamp", 8),
    0x13: ("decimal", 16),
}
"""Types of a fixed length."""


def documents(read: Callable[[int], bytes]) -> Iterator[Document]:
    """The documents of a file; `read` returns that many bytes, or fewer at its end."""
    number = 0
    while data := next_document(read, f"document {number}"):
        yield decode(data, f"document {number}")
        number += 1


def next_document(read: Callable[[int], bytes], place: str) -> bytes:
    """The bytes of the next document; empty at the end."""
    head = read(4)
    if not head:
        return b""
    if len(head) < 4:
        raise BadDump(f"{place} is cut off")
    return head + rest_of_document(head, read, place)


def rest_of_document(head: bytes, read: Callable[[int], bytes], place: str) -> bytes:
    """What follows the length of a document."""
    (length,) = _INT32.unpack(head)
    if not 5 <= length <= MAX_DOCUMENT:
        raise BadDump(f"{place} can't have a length of {length} bytes")
    rest = read(length - 4)
    if len(rest) < length - 4:
        raise BadDump(f"{place} is cut off")
    return rest


def decode(data: bytes, place: str) -> Document:
    """The document that these bytes are; raises `BadDump`."""
    reader = _Reader(data)
    try:
        found = reader.document(0)
    except (ValueError, IndexError) as error:
        # UnicodeDecodeError is one, and so is `index` that finds nothing.
        raise BadDump(f"{place}: {error}") from error
    if reader.at != len(data):
        raise BadDump(f"{place}: it goes on after its end")
    return found


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def document(self, depth: int) -> Document:
        """The document that begins here."""
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        end = self.at + self._int32() - 1
        if end >= len(self._data) or self._data[end]:
            raise ValueError("a document in it has a wrong length")
        found: Document = {}
        while self.at < end:
            kind = self._data[self.at]
            name_end = self._data.index(0, self.at + 1)
            name = self._data[self.at + 1 : name_end].decode()
            self.at = name_end + 1
            found[name] = self._value(kind, name, depth)
        if self.at != end:
            raise ValueError("a document in it has a wrong length")
        self.at += 1
        return found

    def _value(self, kind: int, name: str, depth: int) -> object:
        match kind:
            case 0x01:
                (double,) = _DOUBLE.unpack(self._take(8))
                return double
            case 0x02:
                text = self._take(self._int32())
                if not text or text[-1]:
                    raise ValueError(f"the string {name[:80]!r} has a wrong length")
                return text[:-1].decode()
            case 0x03:
                return self.document(depth + 1)
            case 0x04:
                return [*self.document(depth + 1).values()]
            case 0x05:
                length = self._int32()
                self._take(1)
                self._take(length)
                return Foreign("binary")
            case 0x08:
                return self._take(1) != b"\0"
            case 0x0A:
                return None
            case 0x10:
                return self._int32()
            case 0x12:
                (integer,) = _INT64.unpack(self._take(8))
                return integer
        if kind not in _FOREIGN:
            raise ValueError(
                f"{name[:80]!r} is of type 0x{kind:02x}, which is not read"
            )
        foreign, length = _FOREIGN[kind]
        self._take(length)
        return Foreign(foreign)

    def _int32(self) -> int:
        (integer,) = _INT32.unpack(self._take(4))
        return int(integer)

    def _take(self, length: int) -> bytes:
        end = self.at + length
        if length < 0 or end > len(self._data):
            raise ValueError("a value in it has a wrong length")
        taken = self._data[self.at : end]
        self.at = end
        return taken
