"""Logs made from what is recorded elsewhere: an export, or the database of a BigchainDB node.

The record's blocks are judged and carried out one after the other, as if an engine delivered them.
That happens in a file beside the log's place, without waiting for the disk; only when all of it is
right, and on disk, does it get the log's name. Whatever ends an import before that leaves no log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from trio_stream.ledger.block import RULES, Chain
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.ledger.recorded import NotAsRecorded, rebuild
from trio_stream.log.backup import give
from trio_stream.log.copy import Progress
from trio_stream.log.digest import Digested, digest
from trio_stream.log.dump_store import NAME as DUMP_NAME
from trio_stream.log.errors import CannotImport, LogExists, translated
from trio_stream.log.file import (
    FILE_NAME,
    WRITER_CACHE_KIB,
    lock_directory,
    prepare,
    run,
    sync_directory,
)
from trio_stream.log.moves import mark_imported
from trio_stream.log.records import Record, open_record
from trio_stream.log.writer import CommitLog
from trio_stream.log.writing import WritingEnd

NEW_NAME: Final = f"{FILE_NAME}.importing"


@dataclass(frozen=True, slots=True)
class Imported:
    """What the new log holds."""

    chain_id: str
    first: int
    height: int
    transactions: int
    digest: str


def import_log(
    source: Path,
    home: Path,
    *,
    height: int | None = None,
    signatures: bool = True,
    same_chain: bool = False,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Make the log of `home`, which is created if it is missing, from an export or a dump.

    Up to the block of this height, or the last one. If `same_chain`, its own engine can go on with
    the log; otherwise it waits for another chain that does. `progress` gets numbers of
    transactions. Raises `CommitLogError`, and then there is no log: `LogExists` if there was one,
    `LogInUse` if a daemon runs, `CannotImport` with what is wrong with the source.
    """
    path, new = home / FILE_NAME, home / NEW_NAME
    with ExitStack() as stack:
        with translated("open", home):
            home.mkdir(parents=True, exist_ok=True)
            lock = lock_directory(home)
            stack.callback(os.close, lock)
            give(lock, home)
        if os.path.lexists(path):
            raise LogExists("import into", home, f"{path} is a log")
        with translated("write", home):
            # What a killed import left.
            (home / DUMP_NAME).unlink(missing_ok=True)
            _remove(new)
        with _named(source), translated("read", source):
            record = stack.enter_context(closing(open_record(source, home)))
            stack.callback(_remove, new)
            with _new_log(new) as log:
                _carry_out(record, log, height, signatures, progress)
                found = _compare(record, log)
                if not same_chain:
                    mark_imported(log.connection)
        with translated("write", new):
            _make_durable(new, home)
            new.rename(path)
            sync_directory(home)
    chain = record.chain
    return Imported(
        chain.chain_id,
        chain.initial_height,
        found.height,
        found.transactions,
        found.digest,
    )


@contextmanager
def _named(source: Path) -> Iterator[None]:
    try:
        yield
    except NotAsRecorded as error:
        raise CannotImport("import", source, error) from error


@contextmanager
def _new_log(path: Path) -> Iterator[CommitLog]:
    """A log to fill; a crash of the machine would lose it."""
    with translated("write", path), ExitStack() as resources:
        connection = apsw.Connection(str(path))
        resources.callback(connection.close)
        run(
            connection,
            f"""
            PRAGMA locking_mode = EXCLUSIVE;
            PRAGMA journal_mode = MEMORY;
            PRAGMA synchronous = OFF;
            PRAGMA cache_size = -{WRITER_CACHE_KIB};
            PRAGMA temp_store = MEMORY;
            """,
        )
        prepare(connection, path, {})
        yield CommitLog(WritingEnd(path, connection, resources))


def _carry_out(
    record: Record,
    log: CommitLog,
    height: int | None,
    signatures: bool,
    progress: Progress,
) -> None:
    chain = record.chain
    _check_chain(chain)
    last = record.height if height is None else height
    if not chain.initial_height <= last <= record.height:
        raise NotAsRecorded(
            f"it has the blocks {chain.initial_height} to {record.height}, not {height}"
        )
    log.begin_chain(chain)
    app_hash, done = chain.start_hash, 0
    for recorded in record.blocks():
        if recorded.begins is not None:
            _begin_next(log, recorded.begins)
            app_hash = recorded.begins.start_hash
        block = rebuild(recorded, log, app_hash, signatures=signatures)
        log.append(block)
        app_hash = block.app_hash
        done += len(block.accepted)
        progress(done, record.transactions)
        if block.height == height != record.height:
            break


def _check_chain(chain: Chain) -> None:
    if chain.rules != RULES:
        raise NotAsRecorded(f"its chain follows rules {chain.rules}, ours are {RULES}")
    expected = [chain.continues.app_hash] if chain.continues else []
    if not any(expected):
        expected = [*START_HASHES.values()]
    if chain.start_hash not in expected:
        raise NotAsRecorded(
            f"chain {chain.chain_id!r:.80} can't begin with app hash {chain.start_hash[:80]!r}"
        )


def _begin_next(log: CommitLog, chain: Chain) -> None:
    """Have the next chain continue the log."""
    _check_chain(chain)
    assert chain.continues is not None
    found, said = digest(log.connection, log.path).digest, chain.continues.digest
    if found != said:
        raise NotAsRecorded(
            f"chain {chain.chain_id!r:.80} continues blocks with the digest {said:.80}, but those"
            f" before it have {found}"
        )
    log.begin_chain(chain)


def _compare(record: Record, log: CommitLog) -> Digested:
    """What the log comes to, if that is what is recorded."""
    record.compare(log)
    found = digest(log.connection, log.path)
    if found.height == record.height and record.digest not in ("", found.digest):
        raise NotAsRecorded(
            f"what it holds has the digest {found.digest}, and it says {record.digest:.80}"
        )
    return found


def _make_durable(new: Path, home: Path) -> None:
    descriptor = os.open(new, os.O_RDWR)
    try:
        give(descriptor, home)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(new: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        new.with_name(f"{new.name}{suffix}").unlink(missing_ok=True)
