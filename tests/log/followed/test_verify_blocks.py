"""A check of followed blocks: what the chain commits to, and the rows that follow from a body."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.follower.chain import MadeChain
from tests.log.followed.whole import OLDEST, TIP, block_of, written
from tests.log.tampering import tamper
from trio_stream.cometbft.followed import Gap
from trio_stream.log.file import open_for_reading
from trio_stream.log.followed.bodies import pack, unpack
from trio_stream.log.followed.verify_blocks import Checked, check_blocks
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.verify_file import MOST_FINDINGS

HEIGHT = 5
"""A block with two transactions."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


def checked(
    path: Path, first: int = OLDEST, last: int = TIP, *, data_hashes: bool = True
) -> Checked:
    with closing(open_for_reading(path)) as connection:
        return check_blocks(connection, first, last, data_hashes=data_hashes)


def texts(path: Path) -> list[str]:
    return [f"{height}: {text}" for height, text in checked(path).findings]


def edit(path: Path, table: str, key: int, change: Callable[[Any], object]) -> None:
    """Change a body as if that were what the node had said."""
    column = "height" if table == "block_bodies" else "position"
    with closing(apsw.Connection(str(path))) as database:
        sql = f"SELECT body FROM {table} WHERE {column} = ?"
        ((body,),) = database.execute(sql, (key,)).fetchall()
        assert isinstance(body, bytes)
        value = unpack(body)
        before = copy.deepcopy(value)
        change(value)
        assert value != before
        sql = f"UPDATE {table} SET body = ? WHERE {column} = ?"
        database.execute(sql, (pack(value), key))


def test_blocks_as_they_were_written_are_in_order(path: Path) -> None:
    found = checked(path)
    assert found.findings == () and found.found == 0
    assert found.transactions == 11
    # Of each transaction one, and of each block one.
    assert found.types == found.attributes == 21
    parts = [checked(path, OLDEST, 6), checked(path, 7, TIP)]
    assert [sum(values) for values in zip(*(each[:3] for each in parts), strict=True)] == [
        11, 21, 21,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (
            "UPDATE blocks SET transactions = 1 WHERE height = 5",
            "5: its row is not what its body says",
        ),
        (
            "UPDATE blocks SET seconds = 1 WHERE height = 5",
            "5: its row is not what its body says",
        ),
        (
            "UPDATE blocks SET hash = x'00' WHERE height = 5",
            "5: its row is not what its body says",
        ),
        (
            "UPDATE transactions SET code = 1 WHERE position = (5 << 26) + 1",
            "5: its transactions' rows are not what their bodies say",
        ),
        (
            "DELETE FROM transactions WHERE position = 5 << 26",
            "5: its transactions' rows are not what their bodies say",
        ),
        ("DELETE FROM block_bodies WHERE height = 5", "5: its body is missing"),
        (
            "UPDATE block_bodies SET body = x'ffff' WHERE height = 5",
            "5: it can't be read: Error -3 while decompressing data: incorrect header check",
        ),
        (
            "DELETE FROM transaction_bodies WHERE position = 5 << 26",
            "5: block 5: its 1 transactions are not those of data_hash",
        ),
        (
            "UPDATE transaction_bodies SET position = position + 9 WHERE position = (5 << 26) + 1",
            "5: its transactions' bodies are not at their positions",
        ),
        (
            "DELETE FROM events WHERE position = 5 << 26",
            "5: the index lacks transaction 0: the type 'transfer'",
        ),
        (
            "DELETE FROM attributes WHERE position = (5 << 26) + (1 << 26) - 1",
            "5: the index lacks the block: the attribute 'block.height'",
        ),
        (
            "DELETE FROM keys",
            "5: the index lacks transaction 0: the attribute 'transfer.recipient'",
        ),
        (
            "DELETE FROM types",
            "5: the index lacks the block: the type 'block'",
        ),
    ],
)
def test_rows_that_do_not_follow_from_a_body_are_found(
    path: Path, sql: str, text: str
) -> None:
    tamper(path, sql)
    assert any(each.startswith(text) for each in texts(path)), texts(path)


def test_another_block_than_the_chain_has_is_found(path: Path) -> None:
    def change(body: Any) -> None:
        body[0]["block"]["header"]["proposer_address"] = "00" * 19 + "01"

    edit(path, "block_bodies", HEIGHT, change)
    (text,) = texts(path)
    assert text.startswith("5: block 5: the header's hash is")


def test_another_result_than_the_chain_commits_to_is_found(path: Path) -> None:
    edit(path, "transaction_bodies", HEIGHT << 26, lambda body: body[1].update(code=7))
    assert any(
        each.startswith("5: results of block 5: their hash is") for each in texts(path)
    )
    # The header after the last one of a range is looked at as well.
    assert checked(path, OLDEST, HEIGHT).found == checked(path).found


def test_another_transaction_is_found_unless_data_hashes_mean_nothing(
    path: Path,
) -> None:
    def change(body: Any) -> None:
        body[0] = "AAAA"

    edit(path, "transaction_bodies", HEIGHT << 26, change)
    with_hash = checked(path)
    without = checked(path, data_hashes=False)
    assert "data_hash" in with_hash.findings[0].text
    # Its row still tells its hash.
    assert [each.text for each in without.findings] == [
        "its transactions' rows are not what their bodies say"
    ]


def test_a_block_of_another_history_is_found(tmp_path: Path) -> None:
    chain = MadeChain(4)
    path = written(tmp_path, chain, last=4)
    other = MadeChain(5, salt="other")
    with FollowedLog.open(tmp_path) as log:
        # The log takes what the follower has checked.
        log.append(block_of(other, 5))
    assert any("5: block 5 follows" in each for each in texts(path))
    assert checked(path, 5, 5).found


def test_nothing_is_held_against_a_gap(tmp_path: Path) -> None:
    path = written(tmp_path, last=4)
    with FollowedLog.open(tmp_path) as log:
        log.gap(Gap(5, 6, "pruned", ""))
        log.append(block_of(MadeChain(7, salt="other"), 7))
    assert texts(path) == []


def test_what_follows_and_cannot_be_read_is_not_this_ranges(path: Path) -> None:
    tamper(path, "UPDATE block_bodies SET body = x'00' WHERE height = 6")
    assert checked(path, OLDEST, HEIGHT).found == 0
    tamper(path, "DELETE FROM block_bodies WHERE height = 6")
    assert checked(path, OLDEST, HEIGHT).found == 0


def test_what_was_dropped_meanwhile_is_no_finding(path: Path) -> None:
    tamper(
        path,
        "UPDATE chain SET oldest = 9, before_oldest = (SELECT hash FROM blocks WHERE height = 8)",
    )
    assert checked(path, OLDEST, 8) == Checked(0, 0, 0, (), 0)
    assert checked(path).found == 0


def test_of_many_findings_the_first_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, last=OLDEST + 2 * MOST_FINDINGS)
    tamper(path, "UPDATE blocks SET seconds = 1")
    found = checked(path, last=OLDEST + 2 * MOST_FINDINGS)
    assert len(found.findings) == MOST_FINDINGS
    assert found.found == 2 * MOST_FINDINGS + 1
