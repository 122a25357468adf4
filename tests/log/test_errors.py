"""What SQLite and the file system raise, as errors that say what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import apsw
import pytest

from trio_stream.log.errors import (
    CommitLogError,
    LogDamaged,
    LogInUse,
    LogLocked,
    LogNotAccessible,
    LogNotDirectory,
    LogNotLockable,
    LogOutOfSpace,
    ends_process,
    log_error,
    translated,
)

PLACE = Path("/srv/node")


@pytest.mark.parametrize(
    ("number", "leaf"),
    [
        (errno.ENOSPC, LogOutOfSpace),
        (errno.EDQUOT, LogOutOfSpace),
        (errno.EROFS, LogNotAccessible),
        (errno.EACCES, LogNotAccessible),
        (errno.EEXIST, LogNotDirectory),
        (errno.ENOLCK, LogNotLockable),
        (errno.EIO, CommitLogError),
    ],
)
def test_what_the_file_system_says_has_a_hint(
    number: int, leaf: type[CommitLogError]
) -> None:
    error = log_error("open", Path("/srv/node"), OSError(number, os.strerror(number)))
    assert type(error) is leaf
    assert str(error) == f"cannot open /srv/node: {os.strerror(number)} ({leaf.hint})"


@pytest.mark.parametrize(
    ("error", "leaf"),
    [
        (apsw.FullError("full"), LogOutOfSpace),
        (apsw.CorruptError("malformed"), LogDamaged),
        (apsw.BusyError("locked"), LogLocked),
        (apsw.ReadOnlyError("readonly"), LogNotAccessible),
        (apsw.IOError("disk"), CommitLogError),
    ],
)
def test_what_sqlite_says_is_kept_as_the_cause(
    error: apsw.Error, leaf: type[CommitLogError]
) -> None:
    with pytest.raises(CommitLogError) as caught, translated("read", PLACE):
        raise error
    assert type(caught.value) is leaf
    assert caught.value.__cause__ is error
    assert str(caught.value) == (
        f"cannot read {PLACE}: {type(error).__name__}: {error} ({leaf.hint})"
    )


def test_the_process_that_holds_the_lock_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trio_stream.log.errors.holder", lambda path: "process 7")
    error = log_error("read", PLACE, apsw.BusyError("locked"))
    assert error.cause == "BusyError: locked, by process 7"


def test_other_errors_pass_untranslated() -> None:
    with pytest.raises(ValueError, match="ours"), translated("read", PLACE):
        raise ValueError("ours")


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (LogInUse("open", PLACE, "it belongs to process 7"), True),
        (ExceptionGroup("", [ValueError(), LogDamaged("read", PLACE, "")]), True),
        (ExceptionGroup("", [ValueError()]), False),
        (OSError(), False),
    ],
)
def test_an_error_of_the_log_ends_the_process(error: BaseException, ends: bool) -> None:
    assert ends_process(error) is ends
