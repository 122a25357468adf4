"""Whether a range of followed blocks is what the chain committed to, and its rows say the same.

The log holds what nodes answered. Everything else about a block follows from that: its rows, and
what the index has of it. The answers themselves are held against the chain as when they came: each
header against its hash and the block before, transactions and results against the headers.

One call is one read transaction over a range, so that several processes can share a log, and a
follower may go on, and drop old blocks, meanwhile.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import apsw

from trio_stream.cometbft.blocks import Header
from trio_stream.cometbft.errors import CometError
from trio_stream.cometbft.events import Event
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.integrity import (
    check_block,
    check_link,
    check_next,
    check_results,
)
from trio_stream.log.followed.block_rows import block_row, transaction_rows
from trio_stream.log.followed.blocks import block_events, read_block_at
from trio_stream.log.followed.index import indexable
from trio_stream.log.followed.rows import hash_of
from trio_stream.log.rows import Row, row, rows
from trio_stream.log.verify_file import MOST_FINDINGS, Finding
from trio_stream.stream.position import END_OF_BLOCK, INDEX_BITS, key_of

_UNREADABLE = (zlib.error, CometError, LookupError, TypeError, ValueError)
"""What a body raises that is not what was stored."""


class Checked(NamedTuple):
    """What was looked at, and what is wrong with it."""

    transactions: int
    types: int
    """Rows of the index of types that belong to these blocks."""
    attributes: int
    """The same for attributes."""
    findings: tuple[Finding, ...]
    """The first `MOST_FINDINGS`."""
    found: int
    """How many there are."""


def check_blocks(
    connection: apsw.Connection, first: int, last: int, *, data_hashes: bool
) -> Checked:
    """Check the blocks from `first` to `last` that the log has not dropped meanwhile.

    `data_hashes`: whether `data_hash` is the transactions' own, which Celestia's is not.
    """
    checker = _Checker(connection, data_hashes=data_hashes)
    with connection:
        checker.check(first, last)
    return checker.result()


class _Checker:
    def __init__(self, connection: apsw.Connection, *, data_hashes: bool) -> None:
        self._connection = connection
        self._data_hashes = data_hashes
        self._chain_id = ""
        self._transactions = self._types = self._attributes = 0
        self._findings: list[Finding] = []

    def result(self) -> Checked:
        """What has been found."""
        findings = tuple(self._findings[:MOST_FINDINGS])
        counts = self._transactions, self._types, self._attributes
        return Checked(*counts, findings, len(self._findings))

    def _say(self, height: int, text: object) -> None:
        self._findings.append(Finding(height, str(text)))

    def check(self, first: int, last: int) -> None:
        sql = "SELECT chain_id, oldest, before_oldest FROM chain"
        self._chain_id, oldest, before = rows(self._connection, sql)[0]
        first = max(first, oldest)
        if first > oldest:
            before = hash_of(self._connection, first - 1)
        sql = "SELECT * FROM blocks WHERE height BETWEEN ? AND ? ORDER BY height"
        previous: FollowedBlock | None = None
        for stored in rows(self._connection, sql, first, last):
            height, found_hash = stored[:2]
            if previous is not None and previous.height != height - 1:
                previous, before = None, None  # there is a gap
            block = self._read(height)
            if block is not None:
                self._hold_against_chain(block, before, previous)
                self._compare(block, stored)
            previous, before = block, found_hash
        if previous is not None:
            self._hold_against_next(previous)

    def _read(self, height: int) -> FollowedBlock | None:
        try:
            block = read_block_at(self._connection, height)
        except _UNREADABLE as error:
            self._say(height, f"it can't be read: {error}")
            return None
        if block is None:
            self._say(height, "its body is missing")
        return block

    def _hold_against_chain(
        self, block: FollowedBlock, before: bytes | None, previous: FollowedBlock | None
    ) -> None:
        height = block.height
        try:
            check_block(
                block.block,
                height=height,
                chain_id=self._chain_id,
                data=self._data_hashes,
            )
            check_results(block.block, block.results)
            if before is not None:
                check_link(before, block.block)
        except CometError as error:
            self._say(height, error)
        if previous is not None:
            self._confirm(previous, block.block.header)

    def _hold_against_next(self, block: FollowedBlock) -> None:
        if hash_of(self._connection, block.height + 1) is None:
            return
        # Whether that one can be read is for those to say who check it.
        try:
            following = read_block_at(self._connection, block.height + 1)
        except _UNREADABLE:
            return
        if following is not None:
            self._confirm(block, following.block.header)

    def _confirm(self, block: FollowedBlock, following: Header) -> None:
        try:
            check_next(block.results, following)
        except CometError as error:
            self._say(block.height, error)

    def _compare(self, block: FollowedBlock, stored: Row) -> None:
        """Work the rows of the block out again."""
        height = block.height
        events = block_events(block.results)
        if stored != block_row(block, events):
            self._say(height, "its row is not what its body says")
        span = key_of(height, 0), key_of(height, END_OF_BLOCK)
        sql = "SELECT * FROM transactions WHERE position BETWEEN ? AND ?"
        if rows(self._connection, sql, *span) != list(transaction_rows(block)):
            self._say(height, "its transactions' rows are not what their bodies say")
        count = len(block.block.txs)
        sql = "SELECT position FROM transaction_bodies WHERE position BETWEEN ? AND ?"
        due = [(key_of(height, index),) for index in range(count)]
        if rows(self._connection, sql, *span) != due:
            self._say(height, "its transactions' bodies are not at their positions")
        self._transactions += count
        for index, result in enumerate(block.results.txs):
            self._look_up(key_of(height, index), result.events, f"transaction {index}")
        self._look_up(key_of(height, END_OF_BLOCK), events, "the block")

    def _look_up(self, position: int, events: Sequence[Event], whose: str) -> None:
        """What the index has of these events: all of them, unless it says that it is partial."""
        types, values = indexable(events)
        partial = dict[str, bool]()
        for name in types:
            sql = (
                "SELECT partial, EXISTS (SELECT 1 FROM events WHERE type = id AND"
                " position = ?) FROM types WHERE name = ?"
            )
            found = row(self._connection, sql, position, name)
            partial[name], has = found or (False, False)
            self._types += has
            if not has and not partial[name]:
                self._lacks(position, f"{whose}: the type {name!r:.80}")
        # Types and keys may have points in them, so that two make one name: it has one row.
        wanted = dict[tuple[str, str | bytes], bool]()
        for kind, key, value in values:
            name = f"{kind}.{key}"
            # What was left out with its type is nobody's fault.
            is_due = bool(kind and key) and not partial[kind]
            wanted[name, value] = is_due or wanted.get((name, value), False)
        for (name, value), is_due in wanted.items():
            sql = (
                "SELECT partial, EXISTS (SELECT 1 FROM attributes WHERE key = id AND"
                " value = ? AND position = ?) FROM keys WHERE name = ?"
            )
            found = row(self._connection, sql, value, position, name)
            is_partial, has = found or (False, False)
            self._attributes += has
            if is_due and not has and not is_partial:
                self._lacks(position, f"{whose}: the attribute {name!r:.80}")

    def _lacks(self, position: int, text: str) -> None:
        self._say(position >> INDEX_BITS, f"the index lacks {text}")
