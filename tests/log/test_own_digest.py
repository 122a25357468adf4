"""The digest that a daemon makes of its own log."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest

from tests.history import commit_blocks
from trio_stream.ledger.history import Interrupted
from trio_stream.log import own_digest
from trio_stream.log.digest import digest
from trio_stream.log.errors import CommitLogError, NoSuchBlock
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.own_digest import OwnDigest
from trio_stream.log.writer import CommitLog


def test_it_is_that_of_the_log_up_to_a_height_and_made_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 5)
        made = log.digest(3)
        commit_blocks(log, 1)
        assert log.digest(3) == made
        assert [each for each in caplog.messages if made in each] == [
            f"the digest up to height 3 is {made}"
        ]
        assert log.digest(6) != made
    path = tmp_path / FILE_NAME
    with closing(open_for_reading(path)) as connection:
        assert digest(connection, path, height=3).digest == made


def test_it_says_how_far_it_has_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 4)
    seconds = iter(range(0, 100, 7))
    own = OwnDigest(tmp_path / FILE_NAME, clock=lambda: next(seconds))
    own.up_to(4)
    said = [each for each in caplog.messages if "digest of the log" in each]
    assert said == [
        "digest of the log: 6 of 13 transactions",
        "digest of the log: 13 of 13 transactions",
    ]


def test_it_is_given_up_when_the_daemon_stops(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 2)
        log.give_up()
        with pytest.raises(Interrupted, match="the daemon stops"):
            log.digest(2)


def test_what_can_not_be_read_is_an_error_of_the_log(tmp_path: Path) -> None:
    assert own_digest.SAY_SECONDS == 10
    with pytest.raises(CommitLogError):
        OwnDigest(tmp_path / FILE_NAME).up_to(1)
    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 2)
        with pytest.raises(NoSuchBlock):
            log.digest(3)
