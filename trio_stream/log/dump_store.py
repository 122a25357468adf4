"""Documents of a dump, put where they can be found: in a file that is removed after the import.

A dump has its documents in the order in which they were stored, and parts of a transaction in three
collections. An import needs them block by block, and the dump may be larger than memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import apsw

from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.ledger.recorded import NotAsRecorded
from trio_stream.log.errors import translated
from trio_stream.log.file import run
from trio_stream.log.rows import row, rows
from trio_stream.mongodb.values import Document
from trio_stream.transactions import canonical
from trio_stream.transactions.errors import ValidationError

NAME: Final = "log.db.dump"
PARTS: Final = ("transactions", "assets", "metadata")
"""Collections with an id, in the order in which they make a transaction."""
MAX_RECORDS: Final = 1_000_000
"""In each of the other collections, which are read into memory; a chain has a handful."""

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
CREATE TABLE transactions (id TEXT PRIMARY KEY, text TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE assets (id TEXT PRIMARY KEY, text TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE metadata (id TEXT PRIMARY KEY, text TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (height INTEGER PRIMARY KEY, app_hash TEXT, ids TEXT) STRICT;
CREATE TABLE placed (id TEXT PRIMARY KEY, height INTEGER) STRICT, WITHOUT ROWID;
BEGIN;
"""


class DumpStore:
    """A dump's documents; `put` all of them, then ask."""

    def __init__(self, room: Path) -> None:
        self._path = room / NAME
        self.records: dict[str, list[Document]] = {}
        """Of collections that have neither transactions nor blocks."""
        self._resources = ExitStack()
        self._resources.callback(self._path.unlink, missing_ok=True)
        with translated("write", self._path):
            self._path.unlink(missing_ok=True)
            self._connection = apsw.Connection(str(self._path))
            self._resources.callback(self._connection.close)
            run(self._connection, _SCHEMA)

    def close(self) -> None:
        """Remove the file."""
        self._resources.close()

    def put(self, collection: str, document: Document) -> None:
        """Keep a document; raises `NotAsRecorded` if it is not one of this collection."""
        document.pop("_id", None)
        with translated("write", self._path):
            if collection in PARTS:
                self._put_part(collection, document)
            elif collection == "blocks":
                self._put_block(document)
            else:
                found = self.records.setdefault(collection, [])
                if len(found) == MAX_RECORDS:
                    raise NotAsRecorded(
                        f"{collection} has more than {MAX_RECORDS} records"
                    )
                found.append(document)

    def _put_part(self, collection: str, document: Document) -> None:
        claimed = document.get("id")
        if not isinstance(claimed, str):
            raise NotAsRecorded(f"a document of {collection} has no id")
        what = f"the document {claimed:.64} of {collection}"
        if collection != "transactions":
            del document["id"]
        try:
            text = canonical.serialize(document)
        except (ValidationError, TypeError) as error:
            raise NotAsRecorded(f"{what} can't be written as JSON: {error}") from error
        self._insert(f"INSERT INTO {collection} VALUES (?, ?)", (claimed, text), what)

    def _put_block(self, document: Document) -> None:
        match document:
            case {
                "height": int(height),
                "app_hash": str(app_hash),
                "transactions": [*ids],
            }:
                if 0 <= height <= MAX_HEIGHT and all(
                    isinstance(each, str) for each in ids
                ):
                    what = f"block {height}"
                    values = height, app_hash, json.dumps(ids)
                    self._insert("INSERT INTO blocks VALUES (?, ?, ?)", values, what)
                    for each in ids:
                        what = f"transaction {each:.64}, in block {height},"
                        sql = "INSERT INTO placed VALUES (?, ?)"
                        self._insert(sql, (each, height), what)
                    return
        raise NotAsRecorded(f"a document of blocks is no block: {document!r:.100}")

    def _insert(self, sql: str, values: tuple[object, ...], what: str) -> None:
        try:
            self._connection.execute(sql, values)
        except apsw.ConstraintError as error:
            raise NotAsRecorded(f"{what} is there twice") from error
        except UnicodeEncodeError as error:
            raise NotAsRecorded(f"{what} holds what is no text") from error

    def tip(self) -> int | None:
        """The height of the newest block."""
        found = row(self._connection, "SELECT max(height) FROM blocks")
        return found[0] if found else None

    def count(self) -> int:
        """How many transactions the blocks hold."""
        return int(rows(self._connection, "SELECT count(*) FROM placed")[0][0])

    def blocks(self) -> Iterator[tuple[int, str, list[str]]]:
        """Height, app hash and ids of each block, in order."""
        sql = "SELECT height, app_hash, ids FROM blocks ORDER BY height"
        for height, app_hash, ids in self._connection.execute(sql):
            yield height, app_hash, json.loads(ids)

    def transaction(self, transaction_id: str) -> bytes:
        """A transaction put together again; raises `NotAsRecorded` if a part is missing."""
        document = self._part("transactions", transaction_id)
        if "asset" not in document:
            document["asset"] = self._part("assets", transaction_id)
        if "metadata" not in document:
            found = self._part("metadata", transaction_id)
            document["metadata"] = found.get("metadata")
        return canonical.serialize(document).encode()

    def _part(self, collection: str, transaction_id: str) -> dict[str, Any]:
        sql = f"SELECT text FROM {collection} WHERE id = ?"
        found = row(self._connection, sql, transaction_id)
        if found is None:
            raise NotAsRecorded(
                f"transaction {transaction_id:.64} is not in the collection {collection};"
                " was the node running while its database was dumped?"
            )
        document = canonical.load(found[0])
        assert isinstance(document, dict)
        return document

    def unplaced(self, but: list[str]) -> tuple[str, str] | None:
        """A collection, and an id in it that no block holds, unless it is one of these."""
        run(self._connection, "CREATE TABLE IF NOT EXISTS known (id TEXT PRIMARY KEY)")
        self._connection.executemany(
            "INSERT OR IGNORE INTO known VALUES (?)", ((each,) for each in but)
        )
        for collection in PARTS:
            sql = (
                f"SELECT id FROM {collection} WHERE id NOT IN (SELECT id FROM placed)"
                " AND id NOT IN (SELECT id FROM known) LIMIT 1"
            )
            if found := row(self._connection, sql):
                return collection, found[0]
        return None
