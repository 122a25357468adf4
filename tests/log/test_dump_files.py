"""Where the documents of a dump are found."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mongodb.tools import (
    JSON,
    to_archive,
    to_array,
    to_bson,
    to_lines,
    write_mongodump,
    write_mongoexport,
)
from tests.reference_database import Database, reference_database
from trio_stream.ledger.recorded import NotAsRecorded
from trio_stream.log.dump_files import COLLECTIONS, is_archive, read_dump

DATABASE = reference_database()
Made = Callable[[Path], Path]


def archived(
    path: Path, *, packed: bool = False, database: Database = DATABASE
) -> Path:
    data = to_archive(database)
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def read(source: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for collection, document in read_dump(source):
        document.pop("_id")
        found[collection].append(document)
    return found


def expected() -> dict[str, list[Any]]:
    found = {name: DATABASE[name] for name in COLLECTIONS if DATABASE[name]}
    return {
        name: [{n: v for n, v in each.items() if n != "_id"} for each in documents]
        for name, documents in found.items()
    }


WAYS: dict[str, Made] = {
    "mongodump": lambda path: write_mongodump(path, DATABASE),
    "its directory": lambda path: write_mongodump(path, DATABASE) / "bigchain",
    "mongodump --gzip": lambda path: write_mongodump(path, DATABASE, packed=True),
    "mongodump --archive": archived,
    "mongodump --archive --gzip": lambda path: archived(path, packed=True),
    **{
        f"mongoexport, {form}": lambda path, form=form: write_mongoexport(  # type: ignore[misc]
            path, DATABASE, form
        )
        for form in JSON
    },
    "mongoexport --jsonArray": lambda path: write_mongoexport(
        path, DATABASE, "relaxed", to_array
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_documents_are_found_however_they_were_dumped(tmp_path: Path, way: str) -> None:
    source = WAYS[way](tmp_path / "dump")
    assert read(source) == expected()
    assert is_archive(source) if source.is_file() else source.is_dir()


def test_names_of_other_kinds_are_found(tmp_path: Path) -> None:
    for name, documents in DATABASE.items():
        data = to_lines(documents, "relaxed").encode()
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(data))
    assert read(tmp_path) == expected()


def test_what_need_not_be_there(tmp_path: Path) -> None:
    write_mongodump(tmp_path, DATABASE)
    for name in ("elections", "pre_commit", "utxos"):
        (tmp_path / "bigchain" / f"{name}.bson").unlink()
    assert read(tmp_path).keys() == expected().keys() - {"elections", "pre_commit"}


@pytest.mark.parametrize(
    "name", ["transactions", "assets", "validators", "abci_chains"]
)
def test_what_has_to_be_there(tmp_path: Path, name: str) -> None:
    write_mongodump(tmp_path, DATABASE)
    (tmp_path / "bigchain" / f"{name}.bson").unlink()
    with pytest.raises(NotAsRecorded, match=f"there is no collection {name} in it"):
        read(tmp_path)


def test_an_empty_directory_is_no_dump(tmp_path: Path) -> None:
    with pytest.raises(NotAsRecorded, match="there is no collection blocks in it"):
        read(tmp_path)


def test_one_database_is_meant(tmp_path: Path) -> None:
    write_mongodump(tmp_path, DATABASE)
    (tmp_path / "bigchain").rename(tmp_path / "other")
    write_mongodump(tmp_path, DATABASE)
    with pytest.raises(
        NotAsRecorded, match="several databases are in it, name one: .*"
    ):
        read(tmp_path)
    assert read(tmp_path / "other") == expected()
    (tmp_path / "archive").write_bytes(
        to_archive(DATABASE) + to_archive(DATABASE, "b")[len(_head("b")) :]
    )
    with pytest.raises(NotAsRecorded, match="several databases are in it: b, bigchain"):
        read(tmp_path / "archive")


def _head(database: str) -> bytes:
    whole = to_archive(DATABASE, database)
    end = b"\xff\xff\xff\xff"
    return whole[: whole.index(end) + len(end)]


def test_one_file_for_a_collection_is_meant(tmp_path: Path) -> None:
    write_mongodump(tmp_path, DATABASE)
    (tmp_path / "bigchain" / "assets.json").touch()
    with pytest.raises(
        NotAsRecorded, match="assets.bson and assets.json are both in it"
    ):
        read(tmp_path)


def test_other_collections_of_an_archive_do_not_matter(tmp_path: Path) -> None:
    database = {**DATABASE, "system.users": [{"_id": 5}]}
    assert read(archived(tmp_path / "archive", database=database)) == expected()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("assets.bson", b"\x05\0\0\0\x01", "assets.bson: document 0: a document in it"),
        ("assets.json", b'{"id"', "assets.json: document 0 is cut off"),
        ("assets.json", b"\xff", "assets.json: .*utf-8"),
        (
            "assets.bson.gz",
            gzip.compress(to_bson({"id": "x" * 900}), mtime=0)[:-20],
            "assets.bson.gz is cut off or damaged",
        ),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    write_mongodump(tmp_path, DATABASE)
    (tmp_path / "bigchain" / "assets.bson").unlink()
    (tmp_path / "bigchain" / name).write_bytes(data)
    with pytest.raises(NotAsRecorded, match=says):
        read(tmp_path)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = archived(tmp_path / "archive")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(NotAsRecorded, match="archive: .* is cut off"):
        read(path)


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    for data in (b"", b"m", b"\x1f\x8b", gzip.compress(b"{}")):
        path = tmp_path / "file"
        path.write_bytes(data)
        if data == b"\x1f\x8b":
            with pytest.raises(NotAsRecorded, match="is cut off or damaged"):
                is_archive(path)
        else:
            assert not is_archive(path)
