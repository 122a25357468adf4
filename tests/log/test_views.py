"""The views that other programs may rely on: what they show, and which index they use."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from scripts.signing import create, encode, sign
from tests.history import accepted_of, app_hash_of, commit_blocks, txs_of
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.sql_programs import COLUMNS, PROGRAMS, Rows
from trio_stream.log.file import open_for_reading
from trio_stream.log.writer import CommitLog

BLOCKS = 12
HEIGHTS = range(1, BLOCKS + 1)
PLACED = {
    (height << 26) + txs_of(height).index(encode(document)): document
    for height in HEIGHTS
    for document in accepted_of(height)
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommitLog]:
    """Twelve blocks of the history, held open by its writer."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_blocks(log, BLOCKS)
        yield log


def asset_id_of(document: dict[str, Any]) -> str:
    found: str = document["asset"].get("id", document["id"])
    return found


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest().upper()


def transactions() -> Rows:
    return [
        {
            "sequence": at,
            "height": at >> 26,
            "block_index": at % (1 << 26),
            "id": document["id"],
            "operation": document["operation"],
            "asset_id": asset_id_of(document),
            "tx_hash": sha256(encode(document)),
            "document": encode(document).decode(),
        }
        for at, document in PLACED.items()
    ]


def outputs() -> Rows:
    spenders = {
        tuple(each["fulfills"].values()): document["id"]
        for document in PLACED.values()
        for each in document["inputs"]
        if each["fulfills"]
    }
    return [
        {
            "sequence": at,
            "height": at >> 26,
            "transaction_id": document["id"],
            "output_index": index,
            "asset_id": asset_id_of(document),
            "amount": int(output["amount"]),
            "condition_uri": output["condition"]["uri"],
            "spent_by": spenders.get((document["id"], index)),
        }
        for at, document in PLACED.items()
        for index, output in enumerate(document["outputs"])
    ]


def output_keys() -> Rows:
    return [
        {
            "public_key": key,
            "sequence": at,
            "output_index": index,
            "in_condition": 1,
        }
        for at, document in PLACED.items()
        for index, output in enumerate(document["outputs"])
        for key in output["public_keys"]
    ]


def blocks() -> Rows:
    return [
        {
            "height": height,
            "time": "2017-07-14T02:40:00.000000007Z",
            "app_hash": app_hash_of(height),
            "accepted": len(accepted_of(height)),
            "refused": len(txs_of(height)) - len(accepted_of(height)),
            "first_sequence": height << 26,
            "last_sequence": ((height + 1) << 26) - 1,
        }
        for height in HEIGHTS
    ]


def documents(view: str) -> Rows:
    """The rows of assets and metadata, without the JSON in them."""
    return [
        {"sequence": at, "id": document["id"]}
        | (
            {"data": document["asset"]["data"]}
            if view == "assets"
            else {"metadata": document["metadata"]}
        )
        for at, document in PLACED.items()
        if view == "metadata" or document["operation"] == "CREATE"
    ]


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_keeps_its_columns(view: str, log: CommitLog) -> None:
    table = f"pragma_table_info('{view}')"
    found = PROGRAMS["python"](log.path, f"SELECT name FROM {table}", {})
    assert [each["name"] for each in found] == COLUMNS[view].split()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_views_show_what_was_committed(program: str, log: CommitLog) -> None:
    def ask(view: str) -> Rows:
        order = "sequence, output_index" if "output" in view else "1"
        sql = f"SELECT * FROM v1_{view} ORDER BY {order}"
        return PROGRAMS[program](log.path, sql, {})

    assert ask("blocks") == blocks()
    assert ask("transactions") == transactions()
    assert ask("outputs") == outputs()
    assert ask("output_keys") == output_keys()
    for view, column in (("assets", "data"), ("metadata", "metadata")):
        found = [
            {**row, column: json.loads(row[column] or "null")} for row in ask(view)
        ]
        assert found == documents(view)


def test_what_blocks_refused_is_shown_with_its_reason(log: CommitLog) -> None:
    found = PROGRAMS["python"](log.path, "SELECT * FROM v1_refused LIMIT 2", {})
    nonsense, again = found
    reason = nonsense.pop("reason")
    assert reason.startswith("not a JSON value")
    assert nonsense == {
        "sequence": (1 << 26) + 1,
        "height": 1,
        "block_index": 1,
        "transaction_id": None,
        "tx_hash": sha256(b"nonsense"),
        "error": "MalformedTransaction",
    }
    assert again["transaction_id"] == accepted_of(1)[0]["id"]
    assert again["error"] == "DuplicateTransaction"


def test_a_key_that_is_listed_but_not_in_the_condition(tmp_path: Path) -> None:
    listed = create(ALICE)
    listed["outputs"][0]["public_keys"] = [BOB.public]
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log).block(encode(sign(listed, ALICE)))
        found = PROGRAMS["python"](log.path, "SELECT * FROM v1_output_keys", {})
    assert [(each["public_key"], each["in_condition"]) for each in found] == [
        (BOB.public, 0)
    ]


def test_a_document_that_sqlite_cannot_read_is_null_and_spoils_no_query(
    tmp_path: Path,
) -> None:
    good, odd = create(ALICE, data={"a": 1}), create(BOB, data={"a": 2})
    raw = encode(odd).replace(b'{"a": 2}', b'{"a": NaN, "a": 2}')
    with CommitLog.open(tmp_path) as log:
        codes, _ = new_engine(store=log).block(encode(good), raw)
        assert codes == [0, 0]
        for program in PROGRAMS.values():
            sql = "SELECT id FROM v1_assets WHERE data ->> 'a' > 0"
            assert program(log.path, sql, {}) == [{"id": good["id"]}]
            sql = "SELECT id FROM v1_transactions WHERE document IS NULL"
            assert program(log.path, sql, {}) == [{"id": odd["id"]}]


def test_the_views_can_be_read_while_the_node_is_stopped(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 3)
    for program in PROGRAMS.values():
        sql = "SELECT count(*) AS n FROM v1_blocks"
        assert program(log.path, sql, {}) == [{"n": 3}]


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_can_be_written(program: str, log: CommitLog) -> None:
    for sql in ("DELETE FROM blocks", "CREATE TABLE more (n)"):
        with pytest.raises(subprocess.SubprocessError, match="readonly"):
            PROGRAMS[program](log.path, sql, {})
    with pytest.raises(subprocess.SubprocessError, match="because it is a view"):
        PROGRAMS[program](log.path, "DELETE FROM v1_blocks", {})


# By which index


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM v1_transactions WHERE id = 'x'",
        "SELECT * FROM v1_transactions WHERE asset_id = 'x'",
        "SELECT * FROM v1_transactions WHERE asset_id = 'x' ORDER BY sequence",
        "SELECT * FROM v1_transactions WHERE sequence > 9 ORDER BY sequence LIMIT 9",
        "SELECT * FROM v1_outputs WHERE transaction_id = 'x'",
        "SELECT * FROM v1_outputs WHERE asset_id = 'x' AND spent_by IS NULL",
        "SELECT * FROM v1_outputs WHERE sequence = 9",
        "SELECT * FROM v1_output_keys WHERE public_key = 'x' AND sequence > 9",
        "SELECT * FROM v1_output_keys JOIN v1_outputs USING (sequence, output_index)"
        " WHERE public_key = 'x'",
        "SELECT * FROM v1_assets WHERE id = 'x'",
        "SELECT * FROM v1_assets WHERE sequence > 9 ORDER BY sequence LIMIT 9",
        "SELECT * FROM v1_metadata WHERE id = 'x'",
        "SELECT * FROM v1_metadata WHERE sequence > 9 ORDER BY sequence LIMIT 9",
        "SELECT * FROM v1_blocks WHERE height = 9",
        "SELECT * FROM v1_transactions JOIN v1_blocks USING (height) WHERE id = 'x'",
        "SELECT * FROM v1_transactions JOIN v1_blocks"
        " ON sequence BETWEEN first_sequence AND last_sequence WHERE v1_blocks.height = 9",
        "SELECT * FROM v1_elections",
        "SELECT * FROM v1_elections WHERE id = 'x'",
        "SELECT * FROM v1_elections WHERE status = 'ongoing' ORDER BY sequence",
        "SELECT * FROM v1_refused WHERE transaction_id = 'x'",
        "SELECT * FROM v1_refused WHERE sequence > 9",
    ],
)
def test_an_index_is_used(sql: str, log: CommitLog) -> None:
    plan = f"EXPLAIN QUERY PLAN {sql}"
    connection = open_for_reading(log.path)
    ours = [row[3] for row in connection.execute(plan)]
    connection.close()
    theirs = [row["detail"] for row in PROGRAMS["python"](log.path, plan, {})]
    for steps in (ours, theirs):
        assert any(step.startswith("SEARCH") for step in steps)
        assert [step for step in steps if "SCAN" in step] == []


def test_what_is_not_selected_is_not_looked_up(log: CommitLog) -> None:
    connection: apsw.Connection = open_for_reading(log.path)
    for sql in (
        "SELECT id, asset_id, height FROM v1_transactions WHERE sequence > 9",
        "SELECT operation, count(*) FROM v1_transactions GROUP BY operation",
        "SELECT id FROM v1_metadata",
    ):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        assert not [row for row in plan if re.search("bodies|readable", str(row[3]))]
    connection.close()
