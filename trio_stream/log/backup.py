"""Backups of a log, made while the daemon writes to it, and how one takes its place again.

A backup is a log as it was after one of its blocks. Restoring it deletes nothing: the log that was
there before stays beside it under another name.
"""

from __future__ import annotations

import math
import os
import stat
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from trio_stream.log.copy import Progress, copy_log
from trio_stream.log.errors import (
    CommitLogError,
    LogDamaged,
    LogExists,
    LogLocked,
    LogOfOtherChain,
    LogOfOtherKind,
    translated,
)
from trio_stream.log.file import (
    FILE_NAME,
    lock_directory,
    open_for_writing,
    run,
    sync_directory,
    value,
)
from trio_stream.log.followed.rows import FOLLOWED
from trio_stream.log.formats import Identity, identify, open_any

BYTES_PER_SECOND: Final = 200 << 20
"""How fast a backup goes by default, if the disk can. A slower one delays blocks no less, since
each piece is synced. It delays them more afterwards: what is committed meanwhile stays in the
write-ahead log, and is then moved into the database at once."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds."""

    chain_id: str
    height: int
    size: int
    """In bytes."""
    is_followed: bool = False
    """Whether it is a follower's log, and not a node's."""


def _copied(found: Identity, path: Path) -> Copied:
    size = path.stat().st_size
    return Copied(found.chain_id, found.height, size, found.format is FOLLOWED)


def back_up(
    path: Path,
    target: Path,
    *,
    bytes_per_second: float = BYTES_PER_SECOND,
    progress: Progress = lambda done, total: None,
) -> Copied:
    """Copy the log at `path`, as it is now, to the new file `target`; durable on return.

    Raises `CommitLogError`: `LogExists` if there is such a file.
    """
    if os.path.lexists(target):
        raise LogExists("write", target, "there is such a file")
    with translated("back up", path), closing(open_any(path, "back up")) as source:
        run(source, "BEGIN")
        found = identify(source, path, "back up")
        copy_log(source, target, bytes_per_second=bytes_per_second, progress=progress)
    return _copied(found, target)


@dataclass(frozen=True, slots=True)
class Restored:
    """What is now in the data directory, and what was there before."""

    now: Copied
    before: Path | None
    """Where the log that was there is now."""
    height_before: int | None
    """The newest block of that log; None if it can't be read."""


def restore(
    source: Path, home: Path, *, progress: Progress = lambda done, total: None
) -> Restored:
    """Put a copy of the log `source` in its place in `home`, which is created if it is missing.

    Raises `CommitLogError`, and then nothing has changed: `LogInUse` if a daemon runs,
    `LogOfOtherChain` if the log there is of another chain, `LogDamaged` if the copy is.
    """
    path = home / FILE_NAME
    with ExitStack() as stack:
        with translated("open", home):
            home.mkdir(parents=True, exist_ok=True)
            lock = lock_directory(home)
            stack.callback(os.close, lock)
            give(lock, home)
            if path.exists() and source.exists() and path.samefile(source):
                raise LogExists("restore", source, "it is the log of this directory")
        with translated("read", source), closing(open_any(source, "restore")) as log:
            run(log, "BEGIN")
            found = identify(log, source, "restore")
            before = _settle(path)
            if before is not None:
                _fail_unless_of_one_chain(path, before, source, found)
            new = path.with_name(f"{FILE_NAME}.restored")
            new.unlink(missing_ok=True)
            copy_log(log, new, bytes_per_second=math.inf, progress=progress)
        try:
            with translated("write", new):
                _take_place(new, path)
            _look_for_damage(new, source)
            kept = _replace(path, new)
        finally:
            new.unlink(missing_ok=True)
        height_before = None if before is None else before.height
        return Restored(_copied(found, path), kept, height_before)


def _fail_unless_of_one_chain(
    path: Path, before: Identity, source: Path, found: Identity
) -> None:
    if before.format is not found.format:
        kind = "follower's" if before.format is FOLLOWED else "node's"
        cause = f"it is a {kind} log, and {source} is not"
        raise LogOfOtherKind("restore", path, cause)
    if before.chain_id not in ("", found.chain_id):
        cause = (
            f"it belongs to chain {before.chain_id!r:.80}, and {source} to"
            f" {found.chain_id!r:.80}"
        )
        raise LogOfOtherChain("restore", path, cause)


def _take_place(new: Path, path: Path) -> None:
    """Let whoever may use the log at `path`, and nobody else, use `new` as well."""
    descriptor = os.open(new, os.O_RDONLY)
    try:
        give(descriptor, path if path.exists() else path.parent)
        if path.exists():
            os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
    finally:
        os.close(descriptor)


def give(descriptor: int, like: Path) -> None:
    """Have a file belong to the owner of `like`: the daemon's user, if root does this."""
    has, wanted = os.fstat(descriptor), like.stat()
    owner = wanted.st_uid, wanted.st_gid
    if os.geteuid() == 0 and owner != (has.st_uid, has.st_gid):
        os.fchown(descriptor, *owner)


def _settle(path: Path) -> Identity | None:
    """Have the log at `path` be a single file; what it is, or None if it can't be read."""
    if not path.exists():
        return None
    try:
        found: Identity | None
        with closing(open_any(path, "read")) as log:
            found = identify(log, path, "read")
        with closing(open_for_writing(path)) as writing:
            run(writing, "PRAGMA wal_checkpoint(TRUNCATE)")
    except apsw.BusyError:
        found = None
    except (apsw.Error, CommitLogError):
        return None
    if found is None or path.with_name(f"{path.name}-wal").exists():
        raise LogLocked("restore", path, "another program has it open")
    return found


def _look_for_damage(new: Path, source: Path) -> None:
    with translated("read", new), closing(open_any(new, "check")) as log:
        said = value(log, "PRAGMA quick_check(1)")
    if said != "ok":
        raise LogDamaged("restore", source, said)


def _replace(path: Path, new: Path) -> Path | None:
    """Put `new` in the place of `path`; returns where that is now."""
    with translated("replace", path):
        if not path.exists():
            new.rename(path)
            sync_directory(path.parent)
            return None
        kept = kept_name(path)
        for suffix in ("-wal", "-shm"):
            # Of a log that is damaged; the new one must not find them.
            beside = path.with_name(f"{path.name}{suffix}")
            if beside.exists():
                beside.rename(kept.with_name(f"{kept.name}{suffix}"))
        try:
            # So that at no time there is no log: an engine would replay into an empty one.
            os.link(path, kept)
        except OSError:
            path.rename(kept)
        new.rename(path)
        sync_directory(path.parent)
        return kept


def kept_name(path: Path) -> Path:
    """A name beside `path` for what was there until now."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = [f"{path.stem}-until-{now}{n or ''}{path.suffix}" for n in range(100)]
    free = (path.with_name(name) for name in names)
    return next(each for each in free if not os.path.lexists(each))
