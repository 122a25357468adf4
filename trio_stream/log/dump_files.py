"""The files of a dump of BigchainDB's database: where they are, and the documents in them.

mongodump writes a directory with one BSON file per collection, or one archive; mongoexport writes
one file of JSON, which should be named after its collection. Each may be compressed with gzip.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from trio_stream.ledger.recorded import NotAsRecorded
from trio_stream.mongodb import archive, bson, extended_json
from trio_stream.mongodb.values import BadDump, Document

COLLECTIONS: Final = (
    "blocks",
    "transactions",
    "assets",
    "metadata",
    "validators",
    "elections",
    "abci_chains",
    "pre_commit",
)
"""Those that are read. `utxos` is always empty."""

_OPTIONAL: Final = ("elections", "pre_commit")
_BSON: Final = (".bson", ".bson.gz")
_JSON: Final = (".json", ".json.gz", ".jsonl", ".jsonl.gz")
_GZIP: Final = b"\x1f\x8b"


def is_archive(file: Path) -> bool:
    """Whether mongodump wrote this file with --archive."""
    with _unpacked(file) as data, _named(file):
        return data.read(len(archive.MAGIC)) == archive.MAGIC


def read_dump(source: Path) -> Iterator[tuple[str, Document]]:
    """All documents of a directory or archive, each with its collection, in any order.

    Raises `NotAsRecorded` where it is damaged, or lacks a collection.
    """
    if source.is_dir():
        yield from _read_directory(source)
    else:
        yield from _read_archive(source)


def _read_directory(source: Path) -> Iterator[tuple[str, Document]]:
    directory = _directory_of(source)
    files = {name: _file_of(directory, name) for name in COLLECTIONS}
    for name, file in files.items():
        if file is None:
            continue
        with _unpacked(file) as data, _named(file):
            if file.name.startswith(f"{name}.bson"):
                found = bson.documents(data.read)
            else:
                text = io.TextIOWrapper(data, encoding="utf-8")
                found = extended_json.documents(text.read)
            for document in found:
                yield name, document


def _directory_of(source: Path) -> Path:
    """The one that has the collections: mongodump makes one for each database."""
    places = [source, *sorted(each for each in source.iterdir() if each.is_dir())]
    found = [place for place in places if _candidates(place, "blocks")]
    if not found:
        raise NotAsRecorded("there is no collection blocks in it, as BSON or JSON")
    if len(found) > 1:
        names = ", ".join(str(place) for place in found[:5])
        raise NotAsRecorded(f"several databases are in it, name one: {names}")
    return found[0]


def _candidates(directory: Path, name: str) -> list[Path]:
    paths = [directory / f"{name}{suffix}" for suffix in (*_BSON, *_JSON)]
    return [path for path in paths if path.is_file()]


def _file_of(directory: Path, name: str) -> Path | None:
    found = _candidates(directory, name)
    if len(found) > 1:
        raise NotAsRecorded(f"{found[0].name} and {found[1].name} are both in it")
    if not found and name not in _OPTIONAL:
        raise NotAsRecorded(f"there is no collection {name} in it, as BSON or JSON")
    return found[0] if found else None


def _read_archive(source: Path) -> Iterator[tuple[str, Document]]:
    """Of the one database in it that has blocks; which one that is shows only at its end."""
    databases: set[str] = set()
    with _unpacked(source) as data, _named(source):
        for each in archive.members(data.read):
            if each.collection not in COLLECTIONS:
                continue
            databases.add(each.database)
            if len(databases) > 1:
                raise NotAsRecorded(
                    f"several databases are in it: {', '.join(sorted(databases))[:200]}"
                )
            yield each.collection, each.document


@contextmanager
def _unpacked(file: Path) -> Iterator[IO[bytes]]:
    with open(file, "rb") as packed:
        is_gzip = packed.read(2) == _GZIP
        packed.seek(0)
        if not is_gzip:
            yield packed
            return
        with gzip.GzipFile(fileobj=packed) as data, io.BufferedReader(data) as buffered:
            yield buffered


@contextmanager
def _named(file: Path) -> Iterator[None]:
    try:
        yield
    except (BadDump, UnicodeDecodeError) as error:
        raise NotAsRecorded(f"{file.name}: {error}") from error
    except (zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise NotAsRecorded(f"{file.name} is cut off or damaged: {error}") from error
