from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.log.followed.whole import written as written_by_follower
from tests.log.tampering import tamper, written
from trio_stream.log.errors import LogDamaged, LogFromOlderVersion
from trio_stream.log.file import NODE
from trio_stream.log.followed.rows import FOLLOWED
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.log.formats import Identity, identify, open_any
from trio_stream.log.writer import CommitLog


def identity(path: Path) -> Identity:
    with closing(open_any(path, "read")) as log:
        return identify(log, path, "read")


def test_both_kinds_are_known(tmp_path: Path) -> None:
    assert identity(written(tmp_path / "node", 7)) == (NODE, "test-chain", 7)
    path = written_by_follower(tmp_path / "follower")
    assert identity(path) == (FOLLOWED, "made", 11)


def test_a_new_log_has_no_chain(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "node") as log:
        assert identity(log.path) == (NODE, "", 0)
    with FollowedLog.open(tmp_path / "follower") as followed:
        assert identity(followed.path) == (FOLLOWED, "", 0)


def test_anything_else_is_refused(tmp_path: Path) -> None:
    path = written_by_follower(tmp_path)
    tamper(path, "PRAGMA user_version = 0")
    with pytest.raises(LogFromOlderVersion):
        open_any(path, "read")
    tamper(path, "PRAGMA application_id = 5")
    with pytest.raises(LogDamaged, match="it is not a commit log"):
        open_any(path, "read")
