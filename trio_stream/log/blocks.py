"""A log's blocks, whole and in order, as its tables hold them: to be digested or exported.

Rows of several tables are read side by side, so that one block is in memory at a time. What stands
for the block in more than one place must agree; that it follows from its transactions is for
`verify` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import Chain, RefusedTransaction, Tally
from trio_stream.log.errors import LogDamaged, NoSuchBlock
from trio_stream.log.moves import later_chains
from trio_stream.log.rows import HEIGHT, INDEX, Row, position_key, row, stored_chain
from trio_stream.stream.position import END_OF_BLOCK
from trio_stream.transactions.elections import Validator


class Extent(NamedTuple):
    """What of a log is read."""

    chain: Chain
    """The first one."""
    last: int
    """The height of the newest block that counts."""
    transactions: int
    """How many the blocks accepted up to there."""


class StoredBlock(NamedTuple):
    """A block as the log has it."""

    height: int
    time: Time
    app_hash: str
    accepted: Sequence[tuple[int, bytes]]
    """Index in the engine's block, and bytes."""
    refused: Sequence[RefusedTransaction]
    tallies: Sequence[Tally]
    validators: Sequence[Validator] | None
    """The set that it decided on."""
    begins: Chain | None
    """The chain that continues the one before, from this block on."""


def extent(connection: apsw.Connection, path: Path, height: int | None) -> Extent:
    """The log up to the block of this height, or up to the newest one; raises `NoSuchBlock`."""
    chain = stored_chain(connection)
    if chain is None:
        raise NoSuchBlock("read", path, "it holds no chain")
    tip = row(connection, "SELECT max(height) FROM blocks")
    last = tip[0] if tip else None
    if last is None:
        raise NoSuchBlock("read", path, "it holds no block")
    if height is not None and not chain.initial_height <= height <= last:
        raise NoSuchBlock("read", path, f"it holds no block {height}")
    last = last if height is None else height
    sql = "SELECT sum(accepted) FROM blocks WHERE height <= ?"
    total = row(connection, sql, last)
    return Extent(chain, last, total[0] if total else 0)


def stored_blocks(
    connection: apsw.Connection, path: Path, found: Extent
) -> Iterator[StoredBlock]:
    """The blocks up to there. Raises `LogDamaged` where they contradict themselves.

    To be used up within one read transaction.
    """
    last, end = found.last, position_key(found.last, END_OF_BLOCK)
    execute = connection.execute
    accepted = _ByHeight(execute(_ACCEPTED, (end,)))
    refused = _ByHeight(execute(_REFUSED, (end,)))
    tallies = _ByHeight(execute(_TALLIES, (last,)))
    sets = _ByHeight(execute(_SETS, (found.chain.initial_height, last + 1)))
    begun = {each.initial_height: each for each in later_chains(connection, last)}
    due = found.chain.initial_height
    for height, seconds, nanos, app_hash, *counts in execute(_BLOCKS, (last,)):
        if height != due:
            raise LogDamaged("read", path, f"block {due} is missing")
        block = StoredBlock(
            height,
            Time(seconds, nanos),
            app_hash,
            accepted.of(height),
            [RefusedTransaction(*each) for each in refused.of(height)],
            [Tally(id, int(n), bool(c)) for id, n, c in tallies.of(height)],
            [Validator(*each) for each in sets.of(height)] or None,
            begun.get(height),
        )
        has = [len(block.accepted), len(block.refused)]
        if has != counts or any(raw is None for _, raw in block.accepted):
            cause = f"block {height} does not hold the transactions that it counts"
            raise LogDamaged("read", path, cause)
        yield block
        due = height + 1


_BLOCKS = (
    "SELECT height, seconds, nanos, app_hash, accepted, refused FROM blocks"
    " WHERE height <= ? ORDER BY height"
)
_ACCEPTED = (
    f"SELECT {HEIGHT}, {INDEX}, raw FROM transactions LEFT JOIN bodies USING (position)"
    " WHERE position <= ? ORDER BY position"
)
_REFUSED = (
    f"SELECT {HEIGHT}, {INDEX}, sha256, transaction_id, error, reason FROM refused"
    " WHERE position <= ? ORDER BY position"
)
_TALLIES = (
    "SELECT height, id, CAST(votes AS TEXT), concluded FROM tallies"
    " JOIN transactions ON position = election WHERE height <= ? ORDER BY height, id"
)
# With the height of the block that decided on them.
_SETS = (
    "SELECT height - 1, key_type, key, power FROM validators"
    " WHERE height > ? AND height <= ? ORDER BY height, place"
)


class _ByHeight:
    """Rows in the order of heights, their first column; not every block has any."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._groups = groupby(rows, key=lambda each: each[0])
        self._next = next(self._groups, None)

    def of(self, height: int) -> list[tuple[Any, ...]]:
        """The other columns of this height's rows; heights must rise."""
        if self._next is None or self._next[0] != height:
            return []
        found = [each[1:] for each in self._next[1]]
        self._next = next(self._groups, None)
        return found
