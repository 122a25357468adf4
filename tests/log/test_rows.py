"""The integer by which the log knows a transaction, and how rows are read."""

from __future__ import annotations

import apsw
import pytest

from trio_stream.ledger.block import MAX_HEIGHT, Tip
from trio_stream.log.rows import (
    HEIGHT,
    INDEX,
    is_id,
    newest_block,
    position_key,
    row,
    rows,
)
from trio_stream.stream.position import END_OF_BLOCK, Position


@pytest.mark.parametrize("height", [0, 1, 7, MAX_HEIGHT])
@pytest.mark.parametrize("index", [0, 1, END_OF_BLOCK])
def test_a_key_is_the_positions(height: int, index: int) -> None:
    key = position_key(height, index)
    assert key == Position(height, index).key
    sql = f"SELECT {HEIGHT}, {INDEX} FROM (SELECT ? AS position)"
    assert row(apsw.Connection(":memory:"), sql, key) == (height, index)


@pytest.mark.parametrize(
    ("height", "index", "near"),
    [
        (-1, -1, Position(0, 0)),
        (7, 2**64, Position(7, END_OF_BLOCK)),
        (2**64, 0, Position(MAX_HEIGHT + 1, 0)),
    ],
)
def test_what_no_block_can_have_gets_a_key_that_sqlite_can_bind(
    height: int, index: int, near: Position
) -> None:
    assert position_key(height, index) == near.key < 1 << 63


@pytest.mark.parametrize("text", ["", "A" * 64, "a" * 65, "\ud800" * 64])
def test_what_is_not_an_id_is_known_without_a_look(text: str) -> None:
    assert not is_id(text)
    assert is_id("0a" * 32)


def test_rows_are_read_to_the_end() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE blocks (height, app_hash)")
    assert newest_block(connection) is None
    assert row(connection, "SELECT * FROM blocks") is None
    connection.execute("INSERT INTO blocks VALUES (1, 'a'), (2, 'b')")
    assert newest_block(connection) == Tip(2, "b")
    found = rows(connection, "SELECT height FROM blocks WHERE height < ?", 9)
    assert found == [(1,), (2,)]
    assert row(connection, "SELECT height FROM blocks ORDER BY height") == (1,)
    # A statement that is left open would keep the table.
    connection.execute("DROP TABLE blocks")
