"""The manual's section on SQL: it names the existing views, and its queries work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import ALICE, BOB, new_engine
from tests.manual import TEXT, blocks
from tests.sql_programs import COLUMNS, PROGRAMS, Rows
from trio_stream.log.writer import CommitLog

BIKE = create(ALICE, data={"kind": "bicycle"}, recipients=[(ALICE, 3), (BOB, 4)])
CAR = create(ALICE, data={"kind": "car"}, metadata={"sensor": {"celsius": "hot"}})
WARM = transfer(BIKE, ALICE, metadata={"sensor": {"celsius": 41.5}})
COLD = transfer(BIKE, BOB, output_index=1, metadata={"sensor": {"celsius": 3}})
VALUES = {"asset_id": BIKE["id"], "public_key": ALICE.public, "id": WARM["id"]}
ANSWERS: list[Rows] = [
    [{"id": BIKE["id"], "data": '{"kind":"bicycle"}'}],
    [{"id": WARM["id"]}],
    [{"sequence": (2 << 26) + 1, "document": encode(COLD).decode()}],
    [{"asset_id": CAR["id"], "amount": "1"}, {"asset_id": BIKE["id"], "amount": "3"}],
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
    """The queries of the README, word for word."""
    return [sql for block in blocks("sql") for sql in block.split(";\n") if sql]


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
    for line in TEXT.splitlines():
        if re.match(r"\| `v[12]_", line):
            _, views, columns, _ = line.split("|")
            for view in re.findall(r"`(\w+)`", views):
                told[view] = re.findall(r"`(\w+)`", columns)
    told["v1_assets"].remove("metadata")
    told["v1_metadata"].remove("data")
    assert told == {view: columns.split() for view, columns in COLUMNS.items()}


def nested(levels: int) -> object:
    value: object = {"kind": "bicycle"}
    for _ in range(levels):
        value = [value]
    return value


def hostile() -> list[bytes]:
    """Contents that anybody can have committed, and that a query may stumble over."""
    great = 9 * 10**18
    values: list[object] = [
        "50",
        "",
        "\0",
        None,
        True,
        2**63 - 1,
        -(2**63),
        1e308,
        5e-300,
        [],
        {},
    ]
    documents = [
        create(ALICE, data={"kind": "bicycle"}, recipients=[(ALICE, great)] * 2),
        create(ALICE, data={"kind": "bicycle", "n": 1}, recipients=[(ALICE, 1)] * 999),
        create(ALICE, data={"kind": nested(97)}),
        create(ALICE, data={"k'\"]": "\ud7ff\ue000\U0010ffff"}, metadata={"'": '"]'}),
        *(create(ALICE, data={"kind": each}) for each in values),
        *(create(ALICE, metadata={"sensor": {"celsius": each}}) for each in values),
        *(create(ALICE, metadata={"sensor": each}) for each in values),
    ]
    raws = [encode(each) for each in documents]
    # Where a member is written twice, the first may be what SQLite does not read.
    odd = encode(create(ALICE, metadata={"sensor": {"celsius": 31}}))
    infinite = b'{"celsius": 1e999, "celsius": '
    return [
        *raws,
        odd.replace(b'{"celsius": ', infinite),
        b"\xff",
        b'{"id": "\\ud800"}',
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_contents_spoil_a_view_or_a_query(program: str, tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        codes, _ = new_engine(store=log).block(*hostile())
        assert [code for code in codes if code] == [1, 1]

        def ask(sql: str) -> Rows:
            return PROGRAMS[program](log.path, sql, VALUES)

        committed = len(hostile()) - 2
        fewer = {"v1_refused": 2, "v1_blocks": 1, "v1_elections": 0}
        for view in COLUMNS:
            least = fewer.get(view, committed)
            assert len(ask(f"SELECT * FROM {view}")) >= least
        bicycles, warm, _, held, _ = map(ask, manual())
    assert len(bicycles) == 2
    # Of a member that is written twice SQLite reads the first.
    assert warm == []
    amounts = sorted(int(each["amount"]) for each in held)
    assert amounts == [1] * (committed - 2) + [999, 18 * 10**18]
