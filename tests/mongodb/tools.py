"""What MongoDB's tools write, written from their documentation and from nothing of the package."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Document = Mapping[str, Any]
Collections = Mapping[str, Sequence[Document]]


@dataclass(frozen=True)
class ObjectId:
    """What the server puts into each document."""

    digits: str


OID: Final = ObjectId("5bc9cc30ea1b2c0007d7bbf5")


def to_bson(document: Document) -> bytes:
    """A document, integers as small as they can be."""
    elements = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


def _element(name: str, value: Any) -> bytes:
    kind, data = _value(value)
    return bytes([kind]) + name.encode() + b"\0" + data


def _value(value: Any) -> tuple[int, bytes]:
    match value:
        case ObjectId():
            return 0x07, bytes.fromhex(value.digits)
        case None:
            return 0x0A, b""
        case bool():
            return 0x08, bytes([value])
        case int():
            if -(1 << 31) <= value < 1 << 31:
                return 0x10, struct.pack("<i", value)
            return 0x12, struct.pack("<q", value)
        case float():
            return 0x01, struct.pack("<d", value)
        case str():
            text = value.encode() + b"\0"
            return 0x02, struct.pack("<i", len(text)) + text
        case dict():
            return 0x03, to_bson(value)
        case list():
            return 0x04, to_bson({str(n): each for n, each in enumerate(value)})
    raise TypeError(value)


def _legacy(value: Any) -> Any:
    """Version 1, as mongoexport wrote it before 4.2."""
    if type(value) is int and not -(1 << 31) <= value < 1 << 31:
        return {"$numberLong": str(value)}
    return _inside(value, _legacy)


def _relaxed(value: Any) -> Any:
    """Version 2, as it writes it since."""
    return _inside(value, _relaxed)


def _canonical(value: Any) -> Any:
    """Version 2 with --jsonFormat=canonical."""
    if type(value) is int:
        fits = -(1 << 31) <= value < 1 << 31
        return {"$numberInt" if fits else "$numberLong": str(value)}
    if type(value) is float:
        return {"$numberDouble": repr(value)}
    return _inside(value, _canonical)


def _inside(value: Any, change: Callable[[Any], Any]) -> Any:
    match value:
        case ObjectId():
            return {"$oid": value.digits}
        case dict():
            return {name: change(each) for name, each in value.items()}
        case list():
            return [change(each) for each in value]
    return value


JSON: Final[Mapping[str, Callable[[Any], Any]]] = {
    "legacy": _legacy,
    "relaxed": _relaxed,
    "canonical": _canonical,
}


def to_lines(documents: Sequence[Document], form: str) -> str:
    """One document a line."""
    return "".join(_text(each, form) + "\n" for each in documents)


def to_array(documents: Sequence[Document], form: str) -> str:
    """As with --jsonArray."""
    return "[" + ",".join(_text(each, form) for each in documents) + "]\n"


def to_pretty(documents: Sequence[Document], form: str) -> str:
    """As with --pretty."""
    change = JSON[form]
    return "".join(
        json.dumps(change(dict(each)), indent="\t") + "\n" for each in documents
    )


def _text(document: Document, form: str) -> str:
    change = JSON[form]
    return json.dumps(change(dict(document)), ensure_ascii=False, separators=(",", ":"))


def to_archive(collections: Collections, database: str = "bigchain") -> bytes:
    """Pieces of two documents each, in turn."""
    end = b"\xff\xff\xff\xff"
    out = b"\x6d\xe2\x99\x81"
    out += to_bson(
        {"concurrent_collections": 4, "version": "0.1", "server_version": "4"}
    )
    for name in collections:
        out += to_bson(
            {"db": database, "collection": name, "metadata": "{}", "size": 0}
        )
    out += end
    left = {name: list(documents) for name, documents in collections.items()}
    while left:
        for name in list(left):
            head = {"db": database, "collection": name, "EOF": not left[name], "CRC": 0}
            out += to_bson(head)
            for each in left[name][:2]:
                out += to_bson(each)
            out += end
            if not left[name]:
                del left[name]
            else:
                left[name] = left[name][2:]
    return out


def write_mongodump(
    directory: Path, collections: Collections, *, packed: bool = False
) -> Path:
    """As `mongodump --out directory [--gzip]`."""
    inner = directory / "bigchain"
    inner.mkdir(parents=True)
    for name, documents in collections.items():
        data = b"".join(map(to_bson, documents))
        metadata = b'{"options":{},"indexes":[]}'
        if packed:
            (inner / f"{name}.bson.gz").write_bytes(gzip.compress(data))
            (inner / f"{name}.metadata.json.gz").write_bytes(gzip.compress(metadata))
        else:
            (inner / f"{name}.bson").write_bytes(data)
            (inner / f"{name}.metadata.json").write_bytes(metadata)
    return directory


def write_mongoexport(
    directory: Path,
    collections: Collections,
    form: str,
    write: Callable[[Sequence[Document], str], str] = to_lines,
) -> Path:
    """As `mongoexport --collection NAME --out directory/NAME.json` for each."""
    directory.mkdir(parents=True)
    for name, documents in collections.items():
        (directory / f"{name}.json").write_text(
            write(documents, form), encoding="utf-8"
        )
    return directory
