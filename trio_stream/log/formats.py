"""The kinds of logs there are, for commands that work on any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import apsw

from trio_stream.ledger.block import Tip
from trio_stream.log.file import NODE, Format, open_log, recognise
from trio_stream.log.followed.rows import FOLLOWED, newest
from trio_stream.log.rows import newest_block, row

FORMATS: Final = (NODE, FOLLOWED)


class Identity(NamedTuple):
    """What a log is of."""

    format: Format
    chain_id: str
    """Empty if it has no chain yet."""
    height: int
    """The newest block; 0 if there is none."""


def open_any(path: Path, operation: str) -> apsw.Connection:
    """The read-only connection of a command, to a log of this release of whatever kind."""
    return open_log(path, operation, formats=FORMATS)


def identify(log: apsw.Connection, path: Path, operation: str) -> Identity:
    """What the log is of. Raises `CommitLogError` if it is none."""
    format = recognise(log, path, operation, FORMATS)
    chain = row(log, "SELECT chain_id FROM chain")
    if format is FOLLOWED:
        height = newest(log).height
    else:
        height = (newest_block(log) or Tip(0, "")).height
    return Identity(format, chain[0] if chain else "", height)
