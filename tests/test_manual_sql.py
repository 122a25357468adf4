"""The manual's section on SQL: its views are those that there are, its queries answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.sql_programs import COLUMNS, PROGRAMS, Rows
from trio_stream.commit_log import CommitLog

README = Path(__file__).parent.parent / "README.md"
BIKE = create(ALICE, data={"kind": "bicycle"}, recipients=[(ALICE, 3), (BOB, 4)])
CAR = create(ALICE, data={"kind": "car"}, metadata={"sensor": {"celsius": "hot"}})
WARM = transfer(BIKE, ALICE, metadata={"sensor": {"celsius": 41.5}})
COLD = transfer(BIKE, BOB, output_index=1, metadata={"sensor": {"celsius": 3}})
VALUES = {"asset_id": BIKE["id"], "public_key": ALICE.public, "id": WARM["id"]}
ANSWERS: list[Rows] = [
    [{"id": BIKE["id"], "data": '{"kind":"bicycle"}'}],
    [{"id": WARM["id"]}],
    [{"sequence": (2 << 26) + 1, "document": encode(COLD).decode()}],
    [{"asset_id": CAR["id"], "amount": 1}, {"asset_id": BIKE["id"], "amount": 3}],
    [
        {
            "height": 2,
            "time": "2017-07-14T02:40:00.000000007Z",
            "accepted": 2,
            "refused": 0,
            "first_sequence": 2 << 26,
            "last_sequence": (3 << 26) - 1,
        }
    ],
]


def manual() -> list[str]:
    """The queries of the README, as they stand there."""
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [sql for block in blocks for sql in block.split(";\n") if sql]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_manual_s_queries_answer_as_it_says(program: str, tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        for block in ((BIKE, CAR), (WARM, COLD)):
            codes, _ = engine.block(*map(encode, block))
            assert not any(codes)
        found = [PROGRAMS[program](log.path, sql, VALUES) for sql in manual()]
    found[-1][0].pop("app_hash")
    assert [by_asset(rows) for rows in found] == [by_asset(rows) for rows in ANSWERS]


def by_asset(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: str(row.get("asset_id")))


def test_the_manual_has_the_views_and_their_columns() -> None:
    told: dict[str, list[str]] = {}
    for line in README.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `v1_"):
            _, views, columns, _ = line.split("|")
            for view in re.findall(r"`v1_(\w+)`", views):
                told[view] = re.findall(r"`(\w+)`", columns)
    told["assets"].remove("metadata")
    told["metadata"].remove("data")
    assert told == {view: columns.split() for view, columns in COLUMNS.items()}
