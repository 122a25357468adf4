"""A program that reads the views while the node writes: it sees whole blocks, and nobody waits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.history import commit_blocks
from tests.sql_programs import OPEN
from trio_stream.log.writer import CommitLog


class Child:
    """A program that answers each line it is sent."""

    def __init__(self, path: Path, program: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OPEN + program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def ask(self) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


_SUMS = """
SUMS = '''
SELECT max(height) AS tip, sum(accepted) AS accepted, sum(refused) AS refused,
    (SELECT count(*) FROM v1_transactions) AS transactions,
    (SELECT count(document) FROM v1_transactions) AS documents,
    (SELECT count(*) FROM v1_metadata) AS metadata,
    (SELECT count(*) FROM v1_refused) AS not_accepted,
    (SELECT count(*) FROM v1_outputs WHERE spent_by IS NOT NULL) AS spent,
    (SELECT count(*) FROM v1_transactions WHERE operation = 'TRANSFER') AS spends
FROM v1_blocks
'''
"""
_EACH_TIME = "for _ in sys.stdin: print(json.dumps(ask(SUMS)[0]), flush=True)"
_IN_ONE = "log.execute('BEGIN')\n" + _EACH_TIME


def check_whole(sums: dict[str, int]) -> int:
    """Assert that everything seen is of the same blocks; their number."""
    assert sums["transactions"] == sums["documents"] == sums["metadata"]
    assert sums["transactions"] == sums["accepted"]
    assert sums["not_accepted"] == sums["refused"]
    assert sums["spent"] == sums["spends"]
    return sums["tip"]


def test_a_program_sees_whole_blocks_while_others_are_committed(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        with Child(log.path, _SUMS + _EACH_TIME) as child:
            for height in range(1, 31):
                commit_blocks(log, 1)
                assert check_whole(child.ask()) == height


def test_a_transaction_of_a_program_is_one_state_and_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 1)
        with Child(log.path, _SUMS + _IN_ONE) as child:
            first = child.ask()
            commit_blocks(log, 20)
            assert check_whole(first) == 1
            assert child.ask() == first
        tip = log.tip()
        assert tip and tip.height == 21
