"""The digest of a whole log, which says whether two logs hold the same history.

What it covers is `ledger.digest`'s business. It is worked out from the transactions' bytes in one
read of the log, so it costs as much as reading each of them, and hardly any memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from trio_stream.ledger.block import Chain, Tally
from trio_stream.ledger.digest import ChainDigest
from trio_stream.log.copy import Progress
from trio_stream.log.errors import LogDamaged, NoSuchBlock, translated
from trio_stream.log.rows import HEIGHT, Row, position_key, row, stored_chain
from trio_stream.stream.position import END_OF_BLOCK
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import ValidationError


class Digested(NamedTuple):
    """A digest, and what it covers."""

    digest: str
    """64 hexadecimal digits."""
    height: int
    """The newest block that it covers."""
    transactions: int


def digest(
    connection: apsw.Connection,
    path: Path,
    *,
    height: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Digested:
    """The digest of the log up to the block of this height, or to the newest one.

    `progress` gets numbers of transactions. Raises `CommitLogError`: `NoSuchBlock` if the log does
    not have the block, `LogDamaged` if it contradicts itself; not all that may be wrong with a log
    is noticed.
    """
    with translated("read", path), connection:
        chain = stored_chain(connection)
        if chain is None:
            raise NoSuchBlock("read", path, "it holds no chain")
        last = _last_height(connection, path, height)
        found = _Reading(connection, path, chain, last).digest(progress)
    return found


def _last_height(connection: apsw.Connection, path: Path, wanted: int | None) -> int:
    sql = "SELECT max(height) FROM blocks"
    if wanted is not None:
        sql += f" WHERE height = {wanted:d}"
    found = row(connection, sql)
    if found is None or found[0] is None:
        what = "no block" if wanted is None else f"no block {wanted}"
        raise NoSuchBlock("read", path, f"it holds {what}")
    last: int = found[0]
    return last


class _Reading:
    """One read of a log, in which rows of several tables are taken side by side."""

    def __init__(
        self, connection: apsw.Connection, path: Path, chain: Chain, last: int
    ) -> None:
        self._connection = connection
        self._path = path
        self._chain = chain
        self._last = last

    def digest(self, progress: Progress) -> Digested:
        sql = "SELECT coalesce(sum(accepted), 0) FROM blocks WHERE height <= ?"
        ((total,),) = self._connection.execute(sql, (self._last,))
        digest = ChainDigest(self._chain)
        bodies = self._bodies()
        tallies = _ByHeight(self._tallies())
        sets = _ByHeight(self._sets())
        done, due = 0, self._chain.initial_height
        for height, app_hash, accepted in self._blocks():
            if height != due:
                raise self._damaged(due, "is missing")
            for _ in range(accepted):
                done += 1
                self._add_transaction(digest, height, next(bodies, None))
            progress(done, total)
            digest.add_block(
                height,
                app_hash,
                [Tally(*each) for each in tallies.of(height)],
                [Validator(*each) for each in sets.of(height)] or None,
            )
            due = height + 1
        if next(bodies, None) is not None:
            raise self._damaged(self._last, "there are more transactions than it says")
        return Digested(digest.hexdigest(), self._last, done)

    def _add_transaction(
        self, digest: ChainDigest, height: int, body: Row | None
    ) -> None:
        if body is None or body[0] != height or body[1] is None:
            raise self._damaged(height, "a transaction of it is missing")
        try:
            digest.add_transaction(body[1])
        except ValidationError as error:
            raise self._damaged(height, f"a transaction of it is {error}") from error

    def _damaged(self, height: int, what: str) -> LogDamaged:
        return LogDamaged("read", self._path, f"block {height}: {what}")

    def _blocks(self) -> Iterator[Row]:
        return self._connection.execute(
            "SELECT height, app_hash, accepted FROM blocks WHERE height <= ?"
            " ORDER BY height",
            (self._last,),
        )

    def _bodies(self) -> Iterator[Row]:
        return self._connection.execute(
            f"SELECT {HEIGHT}, raw FROM transactions LEFT JOIN bodies USING (position)"
            " WHERE position <= ? ORDER BY position",
            (position_key(self._last, END_OF_BLOCK),),
        )

    def _tallies(self) -> Iterator[Row]:
        sql = (
            "SELECT height, id, CAST(votes AS TEXT), concluded FROM tallies"
            " JOIN transactions ON position = election WHERE height <= ? ORDER BY height"
        )
        for height, election, votes, concluded in self._connection.execute(
            sql, (self._last,)
        ):
            yield height, election, int(votes), bool(concluded)

    def _sets(self) -> Iterator[Row]:
        """With the height of the block that decided on them."""
        return self._connection.execute(
            "SELECT height - 1, key_type, key, power FROM validators"
            " WHERE height > ? AND height <= ? ORDER BY height, place",
            (self._chain.initial_height, self._last + 1),
        )


class _ByHeight:
    """Rows in the order of heights, their first column; few blocks have any."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._groups = groupby(rows, key=lambda each: each[0])
        self._next = next(self._groups, None)

    def of(self, height: int) -> list[tuple[Any, ...]]:
        """The other columns of this height's rows; heights must not fall."""
        if self._next is None or self._next[0] != height:
            return []
        found = [each[1:] for each in self._next[1]]
        self._next = next(self._groups, None)
        return found
