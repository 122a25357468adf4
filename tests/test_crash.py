"""After a crash at any instant the log is a whole number of blocks, those announced among them."""

from __future__ import annotations

import multiprocessing
import random
import resource
import shutil
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import forking
from tests.history import assert_whole, commit_blocks, txs_of
from tests.ledger.chains import new_engine
from trio_stream.abci.messages import Info
from trio_stream.log.errors import CommitLogError, LogDamaged
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog

SECONDS = 8.0
ROUNDS = 60


@pytest.fixture(scope="module")
def spawn():
    return forking()


def commit_for_ever(home: Path, announce: Connection) -> None:
    """Go on with the history, announcing each height once its Commit has been answered."""
    with CommitLog.open(home) as log:
        engine = new_engine(store=log)
        announce.send(engine.application.height)
        while True:
            engine.block(*txs_of(engine.next_height))
            announce.send(engine.application.height)


def commit_until_the_disk_is_full(home: Path, announce: Connection) -> None:
    # Python ignores the signal for it, so that a write fails: the disk is full for this process.
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
    try:
        commit_for_ever(home, announce)
    except CommitLogError as error:
        announce.send(str(error))


def run_until_killed(spawn, home, *, blocks, seconds):
    """Let a child commit so many blocks and a moment more; the last height it announced."""
    receive, send = multiprocessing.Pipe(duplex=False)
    child = spawn.Process(target=commit_for_ever, args=(home, send))
    child.start()
    send.close()
    announced = receive.recv()
    for _ in range(blocks):
        announced = receive.recv()
    child.join(timeout=seconds)
    child.kill()
    child.join()
    try:
        while True:
            announced = receive.recv()
    except EOFError:
        return announced
    finally:
        receive.close()


@pytest.mark.slow
def test_kill_9_at_any_instant_loses_nothing_that_was_announced(spawn, tmp_path):
    chance = random.Random(tmp_path.name)
    give_up = time.monotonic() + SECONDS
    rounds, tip = 0, 0
    while rounds < ROUNDS and (time.monotonic() < give_up or tip <= 10):
        rounds += 1
        announced = run_until_killed(
            spawn,
            tmp_path,
            blocks=chance.randrange(6),
            seconds=chance.random() * 0.01,
        )
        # An answer may have been lost on its way, a block may not.
        before, tip = tip, assert_whole(tmp_path)
        assert before <= announced <= tip <= announced + 1
        with CommitLog.open(tmp_path) as log:
            info = new_engine(store=log).ask(Info("", ""))
            assert info.last_block_height == tip
    assert tip > 10


def test_a_full_disk_ends_the_process_with_a_reason_and_keeps_whole_blocks(
    spawn, tmp_path
):
    receive, send = multiprocessing.Pipe(duplex=False)
    child = spawn.Process(target=commit_until_the_disk_is_full, args=(tmp_path, send))
    child.start()
    send.close()
    announced, said = 0, receive.recv()
    while isinstance(said, int):
        announced, said = said, receive.recv()
    child.join()

    assert said.startswith(f"cannot append block {announced + 1} to ")
    assert CommitLogError.hint in said
    assert assert_whole(tmp_path) == announced
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 3)
    assert assert_whole(tmp_path) == announced + 3


def test_a_write_ahead_log_cut_anywhere_gives_whole_blocks(tmp_path):
    """What a loss of power may leave: any part of what was written and not yet synced."""
    chance = random.Random(7)
    with CommitLog.open(tmp_path / "data") as log:
        commit_blocks(log, 12)
        whole = Path(f"{log.path}-wal").read_bytes()
        database = log.path.read_bytes()
    tips = set()
    for turn in range(20):
        home = tmp_path / f"cut{turn}"
        home.mkdir()
        cut = bytearray(whole[: chance.randrange(len(whole))])
        if turn % 2 and cut:
            cut[chance.randrange(len(cut))] ^= 0xFF
        (home / FILE_NAME).write_bytes(database)
        (home / f"{FILE_NAME}-wal").write_bytes(cut)
        try:
            with CommitLog.open(home) as log:
                tip = log.tip().height if log.tip() else 0
                commit_blocks(log, 2)
        except LogDamaged:
            pytest.fail("a torn write-ahead log was taken for damage")
        assert assert_whole(home) == tip + 2
        tips.add(tip)
        shutil.rmtree(home)
    assert len(tips) > 5
