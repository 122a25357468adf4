"""The one file that `mongodump --archive` writes: documents of several collections, interleaved.

    archive = 6de29981, header, metadata of each collection, ffffffff, pieces
    piece   = {"db": ..., "collection": ..., "EOF": ..., ...}, documents, ffffffff

Header, metadata and documents are BSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from trio_stream.mongodb.bson import decode, next_document, rest_of_document
from trio_stream.mongodb.values import BadDump, Document

MAGIC: Final = b"\x6d\xe2\x99\x81"
_END: Final = b"\xff\xff\xff\xff"


class Member(NamedTuple):
    """A document, and where it was stored."""

    database: str
    collection: str
    document: Document


def members(read: Callable[[int], bytes]) -> Iterator[Member]:
    """The documents of an archive, whose first bytes are `MAGIC`, in its order."""
    if read(4) != MAGIC:
        raise BadDump("it is not an archive of mongodump")
    if not next_document(read, "the header"):
        raise BadDump("it ends after its first bytes")
    for _ in _until_end(read, "the list of collections"):
        pass
    piece = 0
    while data := next_document(read, f"piece {piece}"):
        place = f"piece {piece}"
        head = decode(data, place)
        database, collection = head.get("db"), head.get("collection")
        if not isinstance(database, str) or not isinstance(collection, str):
            raise BadDump(f"{place} names no collection")
        for number, each in enumerate(_until_end(read, place)):
            found = decode(each, f"{place}, document {number}")
            yield Member(database, collection, found)
        piece += 1


def _until_end(read: Callable[[int], bytes], place: str) -> Iterator[bytes]:
    while (head := read(4)) != _END:
        if len(head) < 4:
            raise BadDump(f"it is cut off in {place}")
        yield head + rest_of_document(head, read, place)
