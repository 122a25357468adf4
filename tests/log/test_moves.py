"""What a log knows of the chains that went on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history import app_hash_of, commit_blocks
from tests.ledger.chains import CHAIN_ID, TIME
from trio_stream.ledger.block import Block, Chain, Continued
from trio_stream.log.moves import (
    chain_in_force,
    follows_import,
    forget_above,
    insert_move,
    is_imported,
    later_chains,
    mark_imported,
)
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.elections import Validator

SET = (Validator("ed25519", b"k" * 32, 10),)


def begin(log: CommitLog) -> None:
    commit_blocks(log, 4)
    log.connection.execute("INSERT INTO validators VALUES (1, 0, ?, ?, ?)", SET[0])


def continued(height: int, name: str = "next", digest: str = "d" * 64) -> Chain:
    """A chain that goes on after this height."""
    end = Continued(height, app_hash_of(height), digest)
    return Chain(name, 1, end.app_hash, height + 1, TIME, SET, end)


def test_the_chain_in_force_is_the_newest(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        assert chain_in_force(log.connection) is None
        begin(log)
        first = chain_in_force(log.connection)
        assert first is not None
        assert (first.chain_id, first.validators) == (CHAIN_ID, SET)
        for chain in continued(4), continued(4, "better", "e" * 64):
            assert chain.continues is not None
            insert_move(log.connection, chain, chain.continues)
            assert chain_in_force(log.connection) == chain
            assert not is_imported(log.connection)
            assert log.chain_at(4) == first
            assert log.chain_at(5) == chain
        with_it = log.connection.execute("SELECT count(*) FROM moves").fetchall()
        assert with_it == [(1,)]


def test_the_chains_that_went_on_are_known_up_to_a_height(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        begin(log)
        mark_imported(log.connection)
        assert later_chains(log.connection, 5) == []
        log.begin_chain(chain := continued(4))
        assert later_chains(log.connection, 4) == []
        assert later_chains(log.connection, 5) == [chain]


def test_an_imported_log_waits_until_a_chain_goes_on(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        begin(log)
        for _ in range(2):
            mark_imported(log.connection)
            assert log.is_imported()
            assert log.chain() == Chain(CHAIN_ID, 1, "", 1, TIME, SET)
        log.begin_chain(continued(4))
        assert not log.is_imported()
    with CommitLog.open(tmp_path) as log:
        assert log.chain() == continued(4)
        assert log.validators() == list(SET)


@pytest.mark.parametrize(
    ("height", "name"),
    [(6, "third"), (5, "second"), (4, "second"), (3, CHAIN_ID)],
)
def test_a_log_that_goes_back_forgets_the_chains_above(
    tmp_path: Path, height: int, name: str
) -> None:
    with CommitLog.open(tmp_path) as log:
        begin(log)
        log.begin_chain(continued(4, "second"))
        for number in 5, 6:
            log.append(Block(number, TIME, app_hash_of(4), [], []))
        log.begin_chain(continued(6, "third"))
        log.connection.execute("DELETE FROM blocks WHERE height > ?", (height,))
        forget_above(log.connection, height)
        chain = log.chain()
        assert chain is not None
        assert chain.chain_id == name
        assert not log.is_imported()


def test_a_log_waits_that_goes_back_below_where_it_was_imported(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        begin(log)
        assert not follows_import(log.connection, 2)
        mark_imported(log.connection)
        assert follows_import(log.connection, 2)
        # Another chain has taken the mark's place.
        log.begin_chain(continued(4))
        assert follows_import(log.connection, 3)
        assert not follows_import(log.connection, 4)


def test_a_mark_takes_the_place_of_a_chain_without_a_block(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        begin(log)
        log.begin_chain(continued(4))
        mark_imported(log.connection)
        found = log.connection.execute("SELECT * FROM moves").fetchall()
        assert found == [(5, None, 1, app_hash_of(4), 0, 0, None)]
