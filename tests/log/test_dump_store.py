"""Documents of a dump, found again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mongodb.tools import OID
from trio_stream.ledger.recorded import NotAsRecorded
from trio_stream.log import dump_store
from trio_stream.log.dump_store import DumpStore
from trio_stream.log.errors import CommitLogError
from trio_stream.mongodb.values import Foreign


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DumpStore]:
    store = DumpStore(tmp_path)
    yield store
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_transaction_is_put_together(store: DumpStore) -> None:
    store.put("transactions", {"_id": OID, "id": "a", "n": 1.0})
    store.put("transactions", {"_id": OID, "id": "b", "asset": {"id": "a"}, "n": 1})
    store.put("assets", {"_id": OID, "id": "a", "data": {"z": -0.0, "é": None}})
    store.put("metadata", {"_id": OID, "id": "a", "metadata": {"m": True}})
    store.put("metadata", {"_id": OID, "id": "b", "metadata": None})
    assert store.transaction("a").decode() == (
        '{"asset":{"data":{"z":-0.0,"é":null}},"id":"a","metadata":{"m":true},"n":1.0}'
    )
    assert (
        store.transaction("b") == b'{"asset":{"id":"a"},"id":"b","metadata":null,"n":1}'
    )


def test_metadata_may_stand_in_the_transaction(store: DumpStore) -> None:
    store.put("transactions", {"id": "a", "asset": {}, "metadata": {}})
    assert store.transaction("a") == b'{"asset":{},"id":"a","metadata":{}}'


@pytest.mark.parametrize("missing", ["transactions", "assets", "metadata"])
def test_a_missing_part_is_named(store: DumpStore, missing: str) -> None:
    for collection in {"transactions", "assets", "metadata"} - {missing}:
        store.put(collection, {"id": "a"})
    with pytest.raises(NotAsRecorded, match=f"transaction a .* collection {missing};"):
        store.transaction("a")


def test_blocks_come_in_order(store: DumpStore) -> None:
    assert store.tip() is None
    for height, ids in ((2, ["c"]), (0, []), (1, ["b", "a"])):
        store.put("blocks", {"height": height, "app_hash": "h", "transactions": ids})
    assert list(store.blocks()) == [
        (0, "h", []),
        (1, "h", ["b", "a"]),
        (2, "h", ["c"]),
    ]
    assert (store.tip(), store.count()) == (2, 3)


def test_records_are_kept_as_they_are(store: DumpStore) -> None:
    store.put("elections", {"_id": OID, "height": 5})
    store.put("elections", {"_id": OID, "height": 6})
    assert store.records == {"elections": [{"height": 5}, {"height": 6}]}


def test_what_no_block_holds_is_found(store: DumpStore) -> None:
    store.put("blocks", {"height": 1, "app_hash": "", "transactions": ["a"]})
    for each in ("a", "b", "c"):
        store.put("transactions", {"id": each})
        store.put("metadata", {"id": each})
    assert store.unplaced([]) == ("transactions", "b")
    assert store.unplaced(["b"]) == ("transactions", "c")
    assert store.unplaced(["b", "c", "d", "d"]) is None
    store.put("assets", {"id": "e"})
    assert store.unplaced([]) == ("assets", "e")


BLOCK = {"height": 1, "app_hash": "", "transactions": ["a"]}


@pytest.mark.parametrize(
    ("collection", "document", "says"),
    [
        ("assets", {"data": None}, "a document of assets has no id"),
        ("assets", {"id": 5}, "a document of assets has no id"),
        ("assets", {"id": "a", "x": Foreign("date")}, "document a of assets can't be"),
        ("assets", {"id": "a", "x": math.nan}, "document a of assets can't be"),
        ("assets", {"id": "\ud800"}, "holds what is no text"),
        ("blocks", {**BLOCK, "height": "1"}, "a document of blocks is no block: .*'1'"),
        ("blocks", {**BLOCK, "height": -1}, "a document of blocks is no block"),
        ("blocks", {**BLOCK, "height": 1 << 62}, "a document of blocks is no block"),
        ("blocks", {**BLOCK, "transactions": None}, "a document of blocks is no block"),
        ("blocks", {**BLOCK, "transactions": [5]}, "a document of blocks is no block"),
        ("blocks", {"height": 1}, "a document of blocks is no block"),
        (
            "blocks",
            {**BLOCK, "transactions": ["a", "a"]},
            "transaction a, in block 1, is",
        ),
    ],
)
def test_what_is_wrong_is_named(
    store: DumpStore, collection: str, document: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotAsRecorded, match=says):
        store.put(collection, dict(document))


def test_nothing_is_there_twice(store: DumpStore) -> None:
    for collection in ("transactions", "assets", "metadata"):
        store.put(collection, {"id": "a"})
        with pytest.raises(NotAsRecorded, match=f"a of {collection} is there twice"):
            store.put(collection, {"id": "a"})
    store.put("blocks", dict(BLOCK))
    with pytest.raises(NotAsRecorded, match="block 1 is there twice"):
        store.put("blocks", {**BLOCK, "transactions": []})
    with pytest.raises(
        NotAsRecorded, match="transaction a, in block 2, is there twice"
    ):
        store.put("blocks", {**BLOCK, "height": 2})


def test_records_have_a_limit(
    store: DumpStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_store, "MAX_RECORDS", 1)
    store.put("elections", {})
    with pytest.raises(NotAsRecorded, match="elections has more than 1 records"):
        store.put("elections", {})


def test_there_must_be_room(tmp_path: Path) -> None:
    with pytest.raises(CommitLogError, match="cannot write"):
        DumpStore(tmp_path / "missing")
