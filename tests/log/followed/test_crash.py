"""Killed at any moment, the writer leaves whole blocks, and an index of just those."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from tests.log.followed.made import CHAIN, event, made, transfer
from trio_stream.cometbft.followed import Gap
from trio_stream.log.file import value
from trio_stream.log.followed.blocks import read_block_at
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.rows import gap_at
from trio_stream.log.followed.writer import FollowedLog

KEPT = 20


def block_at(height):
    txs = [[transfer(f"r{height % 7}"), event("n", f"x={height}")] for _ in range(5)]
    return made(height, *txs, ended=[event("mint", f"amount={height}")])


def go_on(home):
    """Append and drop for ever."""
    with FollowedLog.open(home, keep=Keep(blocks=KEPT)) as log:
        log.begin(CHAIN)
        while True:
            height = log.tip().height + 1
            if height % 10:
                log.append(block_at(height))
            else:
                log.gap(Gap(height, height, "pruned", "x"))
            while log.prune():
                pass
            print(height, flush=True)


def index_of(log):
    sql = "SELECT type, sequence FROM v1_event_types ORDER BY 2, 1"
    types = log.connection.execute(sql).fetchall()
    sql = "SELECT key, value, sequence FROM v1_attributes ORDER BY 3, 1"
    return types, log.connection.execute(sql).fetchall()


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_blocks(tmp_path):
    home, chance = tmp_path / "home", random.Random(7)
    tip = said = 0
    for turn in range(10):
        command = [sys.executable, "-m", __name__, str(home)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 40)):
                said = int(writer.stdout.readline())
            writer.kill()
            rest = writer.stdout.read().split(b"\n")
        said = max([said, *map(int, filter(None, rest[:-1]))])
        with FollowedLog.open(home) as log:
            tip = log.tip().height
            # What was said to be durable is there; one more may be.
            assert tip - said in (0, 1)
            oldest = value(log.connection, "SELECT oldest FROM chain")
            assert isinstance(oldest, int)
            assert tip - oldest + 1 in (KEPT, KEPT + 1) or tip < CHAIN.first + KEPT
            expected = [h for h in range(oldest, tip + 1) if h % 10]
            found = log.connection.execute("SELECT height FROM blocks").fetchall()
            assert [height for (height,) in found] == expected
            for height in expected:
                assert read_block_at(log.connection, height) == block_at(height)
            gaps = [h for h in range(oldest, tip + 1) if gap_at(log.connection, h)]
            assert gaps == [h for h in range(oldest, tip + 1) if not h % 10]
            with FollowedLog.open(tmp_path / str(turn)) as fresh:
                fresh.begin(CHAIN)
                fresh.gap(Gap(CHAIN.first, oldest - 1, "pruned", "x"))
                for height in range(oldest, tip + 1):
                    if height % 10:
                        fresh.append(block_at(height))
                    else:
                        fresh.gap(Gap(height, height, "pruned", "x"))
                assert index_of(log) == index_of(fresh)
    assert tip > CHAIN.first + 10


if __name__ == "__main__":
    from pathlib import Path

    go_on(Path(sys.argv[1]))
