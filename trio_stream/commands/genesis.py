"""`trio-stream genesis`: the genesis file of a chain that goes on with this log.

The file follows from the log, so all operators make the same one and can compare its SHA-256, which
is printed to standard error. Status 0: it was written. 1: it can't be. 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import sys
from pathlib import Path

from trio_stream.commands.data import add_command, failed
from trio_stream.commands.progress import shown
from trio_stream.ledger.genesis_file import NoGenesis, genesis_file
from trio_stream.log.file import FILE_NAME, sync_directory
from trio_stream.log.succession import succession


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = add_command(
        commands,
        "genesis",
        run,
        help="write the genesis file of the chain that continues this one",
        description="Write the genesis file with which engines from 0.34 on begin a chain that"
        " goes on with this log: after a chain migration, or after an import. It holds the log's"
        " digest. All operators must get the same file. A daemon may run meanwhile.",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?",
        help="a new file (default: standard output)",
    )
    parser.add_argument(
        "--chain-id",
        metavar="NAME",
        help="default: BigchainDB's name for it, <old name>-migrated-at-height-<height>",
    )


def run(parsed: argparse.Namespace, home: Path) -> int:
    """Write the file; returns the exit status."""
    path = home / FILE_NAME
    with shown(f"reading {path}", "transactions") as progress:
        found = succession(path, progress)
    chain_id = found.ended.next_chain_id if parsed.chain_id is None else parsed.chain_id
    if chain_id == found.ended.chain_id:
        return failed(
            f"the chain that has ended has the name {chain_id!r:.80} itself", 2
        )
    try:
        data = genesis_file(chain_id, found.end, found.time, found.validators)
    except NoGenesis as error:
        return failed(error)
    try:
        _write(parsed.file, data)
    except OSError as error:
        where = parsed.file or "standard output"
        return failed(f"cannot write {where}: {error.strerror}")
    print(
        f"chain {chain_id!r} goes on at height {found.end.height + 1}, with"
        f" {len(found.validators)} validators; digest of the log {found.end.digest}; SHA-256 of"
        f" this file {hashlib.sha256(data).hexdigest()}. Compare it with the other operators.",
        file=sys.stderr,
    )
    return 0


def _write(file: Path | None, data: bytes) -> None:
    if file is None:
        sys.stdout.write(data.decode("ascii"))
        return
    if os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(partial, file)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems have no links; elsewhere they never take another file's place.
            partial.rename(file)
        sync_directory(file.parent)
    finally:
        partial.unlink(missing_ok=True)
