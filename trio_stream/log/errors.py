"""What can go wrong with the commit log, as errors that an operator can act on.

SQLite's errors and the file system's end here: what leaves this wing is a `CommitLogError` that
names the operation, the place, the cause and a remedy. Nobody handles one: a node whose log is
broken must stop.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.others import holder


class CommitLogError(Exception):
    """The log can't do what was asked of it; the process must end."""

    hint = "what was committed is kept; see the cause"

    def __init__(self, operation: str, place: Path, cause: object) -> None:
        super().__init__(operation, place, cause)
        self.operation = operation
        self.place = place
        self.cause = cause

    def __str__(self) -> str:
        return f"cannot {self.operation} {self.place}: {self.cause} ({self.hint})"


class LogInUse(CommitLogError):
    """Another process has the data directory."""

    hint = (
        "a data directory serves one daemon: stop the other one, or use another --home"
    )


class LogLocked(CommitLogError):
    """Another program holds a lock on the file."""

    hint = (
        "no other program may write to it: end that program, or its transaction, and"
        " start again; nothing that was committed is lost"
    )


class LogReplaced(CommitLogError):
    """The file that we have open is no longer the one in the data directory."""

    hint = (
        "files of a data directory may be moved only while no daemon runs: put them back,"
        " or move the directory away and let the engine replay the chain into an empty one"
    )


class LogFromNewerVersion(CommitLogError):
    """A newer release wrote the file."""

    hint = "run the release that wrote it, or a newer one"


class LogMissing(CommitLogError):
    """There is no file where a log should be read."""

    hint = "name the data directory with --home, or the file"


class LogExists(CommitLogError):
    """There is a file where a new one should be written."""

    hint = "nothing is written over: choose another one"


class LogOfOtherChain(CommitLogError):
    """The log in the data directory belongs to another chain."""

    hint = "name another --home, or move (do not delete) that data directory away first"


class LogOfOtherKind(CommitLogError):
    """The log in the data directory is a node's where a follower's is needed, or the reverse."""

    hint = "`run` and `follow` need data directories of their own: name another --home"


class CannotImport(CommitLogError):
    """What should be imported is damaged, was changed, or is not what this release reads."""

    hint = "no log was made of it"


class CannotRollBack(CommitLogError):
    """There is no way back to that height."""

    hint = (
        "name a height from the one before its first block to the one before its last"
    )


class NoSuchBlock(CommitLogError):
    """The log does not have the block that was asked for, or has none at all."""

    hint = "trio-stream status says which blocks it has"


class ChainGoesOn(CommitLogError):
    """No other chain can follow the one in the log."""

    hint = "see trio-stream help moving"


class LogFromOlderVersion(CommitLogError):
    """An earlier release wrote the file, and no daemon of this one has converted it."""

    hint = "start the daemon on it once, which converts it"


class LogDamaged(CommitLogError):
    """The file is not a database, not ours, or contradicts itself."""

    hint = (
        "restore a copy, or move the data directory away and let the engine"
        " replay the chain into an empty one"
    )


class LogOutOfSpace(CommitLogError):
    """The disk or a quota is full."""

    hint = "free some space and start again: nothing that was committed is lost"


class LogNotAccessible(CommitLogError):
    """The file or its directory can't be read or written."""

    hint = "check the directory's owner, permissions and mount"


class LogNotDirectory(LogNotAccessible):
    """There is a file where a directory is needed, or the other way round."""

    hint = "the data directory must be a directory, and its entries must be files"


class LogNotLockable(LogNotAccessible):
    """Without locks nothing keeps out a second daemon, or keeps SQLite's users apart."""

    hint = "its file system has no locks: put the data directory on a local one"


_LEAVES: Final[tuple[tuple[type[Exception], type[CommitLogError]], ...]] = (
    (apsw.FullError, LogOutOfSpace),
    (apsw.NotADBError, LogDamaged),
    (apsw.CorruptError, LogDamaged),
    (apsw.ConstraintError, LogDamaged),
    (apsw.BusyError, LogLocked),
    (apsw.LockedError, LogLocked),
    (apsw.CantOpenError, LogNotAccessible),
    (apsw.ReadOnlyError, LogNotAccessible),
    (apsw.PermissionsError, LogNotAccessible),
    (PermissionError, LogNotAccessible),
)
_ERRNOS: Final[Mapping[int, type[CommitLogError]]] = {
    errno.ENOSPC: LogOutOfSpace,
    errno.EDQUOT: LogOutOfSpace,
    errno.EROFS: LogNotAccessible,
    errno.EEXIST: LogNotDirectory,
    errno.ENOTDIR: LogNotDirectory,
    errno.EISDIR: LogNotDirectory,
    errno.ENOLCK: LogNotLockable,
    errno.EOPNOTSUPP: LogNotLockable,
}


def ends_process(error: BaseException) -> bool:
    """Whether this, or one of its group, is an error of the log, which nobody may handle."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(CommitLogError) is not None
    return isinstance(error, CommitLogError)


def log_error(operation: str, place: Path, error: Exception) -> CommitLogError:
    """The error to raise for one of SQLite or of the file system."""
    leaf = next((leaf for kind, leaf in _LEAVES if isinstance(error, kind)), None)
    cause = f"{type(error).__name__}: {error}"
    if leaf is LogLocked and (who := holder(place)):
        cause += f", by {who}"
    if isinstance(error, OSError):
        leaf = _ERRNOS.get(error.errno or 0, leaf)
        cause = error.strerror or cause
    return (leaf or CommitLogError)(operation, place, cause)


@contextmanager
def translated(operation: str, place: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into a `CommitLogError`."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise log_error(operation, place, error) from error
