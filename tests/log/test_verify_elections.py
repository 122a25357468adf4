"""A check counts votes once more, and finds what else the log says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from scripts.signing import create, encode, seal
from tests.ledger.chains import ALICE, new_engine
from tests.log.tampering import edit, tamper
from tests.voting import GENESIS, KEYS, election, migration, vote
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.verify import verify
from trio_stream.log.verify_elections import AsOf, Recount, may_exist
from trio_stream.log.writer import CommitLog

NOT_COUNTED = "its votes are not counted as its transactions say"
OTHER_SET = "the validators after it are not those that its votes make"


def write(home: Path) -> Path:
    """Votes in the blocks 2, 3 and 5; an election concludes in 3, a migration in 5."""
    first, second = election(power=5), election(ALICE, power=3)
    moving = migration()
    with CommitLog.open(home) as log:
        engine = new_engine(store=log)
        engine.init_chain(validators=GENESIS)
        for documents in (
            [first, create(ALICE), vote(first, KEYS[0])],
            [vote(first, KEYS[1]), moving],
            [vote(first, KEYS[2]), second, vote(moving, KEYS[0])],
            [],
            [vote(moving, KEYS[1])],
        ):
            codes, _ = engine.block(*map(encode, documents))
            assert codes == [0] * len(documents)
        assert len(log.validators()) == 5
    return home / FILE_NAME


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path)


def texts(path: Path, *, thorough: bool = True) -> list[tuple[int | None, str]]:
    report = verify(path, thorough=thorough, processes=1)
    return [(each.height, each.text) for each in report.findings]


@pytest.mark.parametrize("thorough", [False, True])
def test_a_log_with_elections_is_whole(path: Path, thorough: bool) -> None:
    assert texts(path, thorough=thorough) == []


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize(
    "sql, findings",
    [
        # The next tally is made from it.
        (
            "UPDATE tallies SET votes = '11' WHERE height = 2",
            [(2, NOT_COUNTED), (3, NOT_COUNTED)],
        ),
        ("UPDATE tallies SET votes = 'x' WHERE height = 5", [(5, NOT_COUNTED)]),
        ("UPDATE tallies SET concluded = 1 WHERE height = 2", [(2, NOT_COUNTED)]),
        ("DELETE FROM tallies WHERE height = 5", [(5, NOT_COUNTED)]),
        (
            "INSERT INTO tallies VALUES (1, 4, '7', 0)",
            [(4, NOT_COUNTED)],
        ),
        (
            "INSERT INTO tallies VALUES (1, 9, '7', 0)",
            [(None, "tallies has rows of heights that no block has")],
        ),
        ("UPDATE validators SET power = 6 WHERE height = 4", [(3, OTHER_SET)]),
        ("DELETE FROM validators WHERE height = 4", [(3, OTHER_SET)]),
        (
            "INSERT INTO validators VALUES (6, 0, 'ed25519', x'00', 1)",
            [(5, OTHER_SET)],
        ),
        (
            "INSERT INTO validators VALUES (7, 0, 'ed25519', x'00', 1)",
            [(None, "validators has rows of heights that no block has")],
        ),
    ],
)
def test_what_does_not_follow_from_the_votes_is_found(
    path: Path, sql: str, findings: list[tuple[int | None, str]], thorough: bool
) -> None:
    tamper(path, sql)
    found = texts(path, thorough=thorough)
    assert [each for each in found if each in findings] == findings


@pytest.mark.parametrize("thorough", [False, True])
def test_an_election_that_cannot_be_read_is_found(path: Path, thorough: bool) -> None:
    sql = "SELECT position, raw FROM bodies WHERE position >> 26 = 1 LIMIT 1"
    edit(path, sql, lambda raw: b"5")
    found = texts(path, thorough=thorough)
    assert (3, "its votes are about an election that can't be read") in found


def test_an_election_whose_bytes_are_missing_is_found(path: Path) -> None:
    tamper(path, "DELETE FROM bodies WHERE position >> 26 = 1")
    found = texts(path)
    assert (3, "its votes are about an election that can't be read") in found


def test_a_vote_about_no_id_counts_for_nothing(path: Path) -> None:
    cast = {**vote(election(), KEYS[0]), "asset": {"id": "no id"}}
    said: list[tuple[int, str]] = []
    with closing(open_for_reading(path)) as connection:
        recount = Recount(AsOf(connection, path), lambda *each: said.append(each))
        recount.add(4 << 26, encode(seal(cast)))
        recount.check(4, 4)
    assert said == []


@pytest.mark.parametrize(
    "transaction_id, index, answer",
    [("0" * 64, 0, True), ("0", 0, False), ("0" * 64, -1, False)],
)
def test_what_may_be_looked_for(transaction_id: str, index: int, answer: bool) -> None:
    assert may_exist(transaction_id, index) is answer


def test_nothing_spends_what_cannot_exist(path: Path) -> None:
    with closing(open_for_reading(path)) as connection:
        view = AsOf(connection, path)
        assert view.spender("0", 0) is None
        assert view.spender("0" * 64, 0) is None
