"""A history that is known in advance: what block h of it holds, and whether a log has it whole."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, new_engine
from trio_stream.ledger.block import next_app_hash
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog
from trio_stream.stream.position import key_of

Document = dict[str, Any]


@cache
def asset_of(height: int) -> Document:
    return create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], metadata={"h": height})


def is_empty(height: int) -> bool:
    return height % 5 == 0


@cache
def accepted_of(height: int) -> tuple[Document, ...]:
    """An asset, a transfer of the asset of the block before, and a varying number more."""
    if is_empty(height):
        return ()
    more = [create(BOB, data={"h": height, "n": n}) for n in range(height % 4)]
    moved = [] if is_empty(height - 1) else [transfer(asset_of(height - 1), ALICE)]
    return (asset_of(height), *moved, *more)


@cache
def txs_of(height: int) -> tuple[bytes, ...]:
    """What the engine's block holds: these and two that are refused. Every fifth is empty."""
    if is_empty(height):
        return ()
    asset, *others = map(encode, accepted_of(height))
    return (asset, b"nonsense", *others, asset)


@cache
def app_hash_of(height: int) -> str:
    if height == 0:
        return ""
    ids = [document["id"] for document in accepted_of(height)]
    return next_app_hash(app_hash_of(height - 1), ids)


def commit_blocks(log: CommitLog, count: int) -> None:
    """Go on with the history by so many blocks."""
    engine = new_engine(store=log)
    for _ in range(count):
        engine.block(*txs_of(engine.next_height))


def assert_whole(home: Path) -> int:
    """Assert that the log holds the history's first blocks and nothing else; their number."""
    database = apsw.Connection(str(home / FILE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return _assert_whole(database)
    finally:
        database.close()


def _assert_whole(database: apsw.Connection) -> int:
    def rows(sql: str) -> list[tuple[Any, ...]]:
        return database.execute(sql).fetchall()

    assert rows("PRAGMA integrity_check") == [("ok",)]
    tip = rows("SELECT coalesce(max(height), 0) FROM blocks")[0][0]
    heights = range(1, tip + 1)
    assert rows("SELECT height, app_hash FROM blocks ORDER BY height") == [
        (height, app_hash_of(height)) for height in heights
    ]
    bodies = rows("SELECT position, raw FROM bodies ORDER BY position")
    assert bodies == [
        (key_of(height, index), raw)
        for height in heights
        for index, raw in enumerate(txs_of(height))
        if raw != b"nonsense" and index < len(txs_of(height)) - 1
    ]
    documents = {at: json.loads(raw) for at, raw in bodies}
    assert rows("SELECT position, id, sha256 FROM transactions ORDER BY position") == [
        (at, documents[at]["id"], hashlib.sha256(raw).digest()) for at, raw in bodies
    ]
    assert rows("SELECT position, output_index FROM outputs ORDER BY 1, 2") == [
        (at, index)
        for at, document in documents.items()
        for index in range(len(document["outputs"]))
    ]
    spends = {
        (each["fulfills"]["transaction_id"], each["fulfills"]["output_index"]): at
        for at, document in documents.items()
        for each in document["inputs"]
        if each["fulfills"]
    }
    stored = rows(
        "SELECT id, output_index, spent_by FROM outputs JOIN transactions USING (position)"
        " WHERE spent_by IS NOT NULL"
    )
    assert {(spent, index): by for spent, index, by in stored} == spends
    assert rows("SELECT count(*) FROM refused") == [
        (sum(2 for height in heights if txs_of(height)),)
    ]
    named = sum(
        len(each["owners_before"])
        for document in documents.values()
        for each in document["inputs"]
    ) + sum(
        len(each["public_keys"])
        for document in documents.values()
        for each in document["outputs"]
    )
    assert rows("SELECT count(*) FROM keys") == [(named,)]
    return int(tip)
