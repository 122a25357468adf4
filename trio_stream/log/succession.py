"""How the chain of a log has ended, and what a chain that goes on with it begins with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Continued
from trio_stream.ledger.moving import Ended
from trio_stream.log.copy import Progress
from trio_stream.log.digest import digest
from trio_stream.log.errors import ChainGoesOn, NoSuchBlock, translated
from trio_stream.log.file import open_log
from trio_stream.log.moves import chain_in_force, is_imported
from trio_stream.log.rows import newest_block, row
from trio_stream.log.view import StoredView
from trio_stream.transactions.elections import Validator


class Succession(NamedTuple):
    """What the next chain takes over."""

    ended: Ended
    end: Continued
    time: Time
    """Of the last block."""
    validators: list[Validator]


def succession(path: Path, progress: Progress) -> Succession:
    """What the log in this file hands over; `progress` gets numbers of transactions.

    A chain that has gone on with it and has no block yet does not count: its genesis file may have
    been lost, or another one may be wanted. Reads only. Raises `CommitLogError`: `NoSuchBlock` if
    the log is empty, `ChainGoesOn` if its chain has not ended.
    """
    with translated("read", path), closing(open_log(path, "read")) as connection:
        newest, tip = chain_in_force(connection), newest_block(connection)
        chain = chain_in_force(connection, tip.height) if tip else None
        if newest is None or chain is None or tip is None:
            cause = "it holds no block that could be continued"
            raise NoSuchBlock("continue", path, cause)
        view = StoredView(connection, path)
        ended = Ended(chain.chain_id, tip.height, view.migration_of(tip.height))
        is_succeeded = tip.height < newest.initial_height
        if not (ended.migrated_at or is_succeeded or is_imported(connection)):
            raise ChainGoesOn(
                "continue",
                path,
                f"chain {chain.chain_id!r} goes on at height {tip.height}: no migration has"
                " concluded",
            )
        sql = "SELECT seconds, nanos FROM blocks WHERE height = ?"
        found = row(connection, sql, tip.height)
        assert found is not None
        made = digest(connection, path, height=tip.height, progress=progress)
        end = Continued(tip.height, tip.app_hash, made.digest)
        return Succession(ended, end, Time(*found), view.validators())
