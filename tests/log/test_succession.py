"""What a log hands over to the chain that goes on with it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from scripts.signing import create, encode
from tests.ledger.chains import ALICE, CHAIN_ID, TIME, new_engine
from tests.voting import GENESIS, KEYS, SET, migration, vote
from trio_stream.ledger.block import Block, Chain
from trio_stream.ledger.moving import Ended
from trio_stream.log.digest import digest
from trio_stream.log.errors import ChainGoesOn, LogMissing, NoSuchBlock
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.moves import mark_imported
from trio_stream.log.succession import Succession, succession
from trio_stream.log.writer import CommitLog


def handed_over(home: Path) -> Succession:
    seen: list[tuple[int, int]] = []
    found = succession(home / FILE_NAME, lambda *numbers: seen.append(numbers))
    assert seen
    return found


def write(log: CommitLog, *, moves: bool) -> str:
    """Three blocks; with the last one the chain ends if it `moves`. The app hash."""
    engine, opened = new_engine(store=log), migration()
    engine.init_chain(validators=GENESIS)
    engine.block(encode(create(ALICE)))
    engine.block(encode(opened))
    votes = [encode(vote(opened, key)) for key in KEYS[: 3 if moves else 2]]
    return engine.block(*votes)[1]


def test_a_migrated_chain_hands_its_log_over(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        app_hash = write(log, moves=True)
        found = handed_over(tmp_path)
    assert found.ended == Ended(CHAIN_ID, 3, 3)
    assert (found.end.height, found.end.app_hash) == (3, app_hash)
    assert (found.time, found.validators) == (TIME, SET)
    path = tmp_path / FILE_NAME
    with closing(open_for_reading(path)) as connection:
        assert found.end.digest == digest(connection, path).digest


def test_so_does_one_that_was_imported(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        write(log, moves=False)
        with pytest.raises(ChainGoesOn, match="goes on at height 3: no migration"):
            handed_over(tmp_path)
        mark_imported(log.connection)
    assert handed_over(tmp_path).ended == Ended(CHAIN_ID, 3, 0)


def test_a_log_without_a_block_has_nothing_to_hand_over(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        handed_over(tmp_path)
    CommitLog.open(tmp_path).close()
    with pytest.raises(NoSuchBlock):
        handed_over(tmp_path)
    with CommitLog.open(tmp_path) as log:
        new_engine(store=log)
    with pytest.raises(NoSuchBlock):
        handed_over(tmp_path)


@pytest.mark.parametrize("moves", [True, False], ids=["migrated", "imported"])
def test_a_log_is_handed_over_until_the_next_chain_has_a_block(
    tmp_path: Path, moves: bool
) -> None:
    with CommitLog.open(tmp_path) as log:
        write(log, moves=moves)
        if not moves:
            mark_imported(log.connection)
        found = handed_over(tmp_path)
        app_hash = found.end.app_hash
        log.begin_chain(Chain("next", 1, app_hash, 4, TIME, tuple(SET), found.end))
        assert handed_over(tmp_path) == found
        log.append(Block(4, TIME, app_hash, [], []))
    with pytest.raises(ChainGoesOn, match="^cannot continue .*'next' goes on at"):
        handed_over(tmp_path)
