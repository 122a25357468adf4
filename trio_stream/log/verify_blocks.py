"""Whether a range of blocks says what its transactions say, and follows from what is before it.

The log holds each accepted transaction as the engine gave it. Everything else about it follows from
these bytes: its id, its outputs, what it spends, by which keys and words it is found, what votes
decide. So all rows are worked out again and compared, and the chain of app hashes ties the ids to
what the engine has signed. A thorough check also judges each transaction by all rules against the
state before it, signatures included, as when its block was delivered; and it counts its words.

One call is one read transaction over a range, so that several processes can share a log, and the
daemon may go on writing meanwhile: what comes after the range does not count.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import apsw

from trio_stream.ledger.block import AcceptedTransaction, next_app_hash
from trio_stream.ledger.rows import rows_of
from trio_stream.log.rows import HEIGHT, INDEX, Row, position_key, row, rows
from trio_stream.log.verify_elections import AsOf, Recount, may_exist
from trio_stream.log.verify_file import MOST_FINDINGS, Finding
from trio_stream.log.verify_rows import KEYS, SPENDS, Entry, Wanted, entries, strays
from trio_stream.stream.position import END_OF_BLOCK, Position
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.outline import Outline, read_outline
from trio_stream.transactions.rules import validate
from trio_stream.transactions.structure import PLAIN


class Checked(NamedTuple):
    """What was looked at, and what is wrong with it."""

    transactions: int
    spends: int
    keys: int
    findings: tuple[Finding, ...]
    """The first `MOST_FINDINGS`."""
    found: int
    """How many there are."""


def check_blocks(
    connection: apsw.Connection, path: Path, first: int, last: int, *, thorough: bool
) -> Checked:
    """Check the blocks from `first` to `last`; all of these heights must have one."""
    checker = _Checker(connection, path, thorough=thorough)
    with connection:
        checker.check(first, last)
    return checker.result()


class _Checker:
    def __init__(
        self, connection: apsw.Connection, path: Path, *, thorough: bool
    ) -> None:
        self._connection = connection
        self._thorough = thorough
        self._view = AsOf(connection, path)
        self._recount = Recount(self._view, self._say)
        self._keys = Wanted(connection, KEYS, 4, self._lacks_key)
        self._spends = Wanted(connection, SPENDS, 3, self._lacks_spend)
        self._words: dict[int, bytes] = {}
        self._transactions = 0
        self._findings: list[Finding] = []
        self._found = 0

    def result(self) -> Checked:
        return Checked(
            self._transactions,
            self._spends.count,
            self._keys.count,
            tuple(sorted(self._findings)),
            self._found,
        )

    def check(self, first: int, last: int) -> None:
        span = position_key(first, 0), position_key(last, END_OF_BLOCK)
        if self._thorough:
            sql = "SELECT id, sz FROM texts_docsize WHERE id BETWEEN ? AND ?"
            self._words = dict(rows(self._connection, sql, *span))
        accepted: dict[int, dict[int, str]] = defaultdict(dict)
        for entry in entries(self._connection, *span):
            height, index = Position.of_key(entry.at)
            accepted[height][index] = entry.id
            self._transactions += 1
            self._check_entry(entry, index)
        self._keys.flush()
        self._spends.flush()
        for at in self._words:
            self._say_of(at, "it is in the index of words, and not in the log")
        for height, table in strays(self._connection, *span):
            self._say(height, f"{table} has rows of no transaction")
        self._recount.check(first, last)
        self._check_rows_of_blocks(first, last, accepted)

    def _check_rows_of_blocks(
        self, first: int, last: int, accepted: dict[int, dict[int, str]]
    ) -> None:
        span = position_key(first, 0), position_key(last, END_OF_BLOCK)
        refused: dict[int, list[int]] = defaultdict(list)
        sql = f"SELECT {HEIGHT}, {INDEX} FROM refused WHERE position BETWEEN ? AND ?"
        for height, index in rows(self._connection, sql, *span):
            refused[height].append(index)
        sql = "SELECT initial_height, start_hash FROM moves WHERE chain_id IS NOT NULL"
        starts: dict[int, str] = dict(rows(self._connection, sql))
        previous = self._hash_before(first)
        sql = (
            "SELECT height, app_hash, accepted, refused FROM blocks"
            " WHERE height BETWEEN ? AND ? ORDER BY height"
        )
        due = first
        for height, app_hash, *counts in rows(self._connection, sql, first, last):
            if height != due:
                self._lacks_blocks(due, height - 1)
                previous = None
            if height in starts:
                if previous and previous != starts[height]:
                    self._say(height, "its chain goes on from another app hash")
                previous = starts[height]
            ids, others = accepted.pop(height, {}), refused.pop(height, [])
            if counts != [len(ids), len(others)]:
                self._say(
                    height,
                    f"its row counts {counts[0]} accepted and {counts[1]} refused"
                    f" transactions, but there are {len(ids)} and {len(others)}",
                )
            elif {*ids, *others} != set(range(len(ids) + len(others))):
                self._say(height, "the indexes of its transactions have gaps")
            if previous is not None:
                expected = next_app_hash(previous, list(ids.values()))
                if expected != app_hash:
                    self._say(
                        height,
                        f"its app hash is {app_hash or 'empty'}, but what it holds makes"
                        f" {expected or 'an empty one'}",
                    )
            previous, due = app_hash, height + 1
        if due <= last:
            self._lacks_blocks(due, last)
        for height in sorted({*accepted, *refused}):
            self._say(height, "there are transactions of this block, which is missing")

    def _hash_before(self, height: int) -> str | None:
        sql = "SELECT app_hash FROM blocks WHERE height = ?"
        found = row(self._connection, sql, height - 1) or row(
            self._connection,
            "SELECT start_hash FROM chain WHERE initial_height = ?",
            height,
        )
        return found[0] if found else None

    def _check_entry(self, entry: Entry, index: int) -> None:
        """Compare what the log says about a transaction with what its bytes say."""
        if entry.raw is None:
            self._say_of(entry.at, f"its bytes are missing (id {entry.id})")
            return
        try:
            said = self._read(entry, entry.raw, index)
        except ValidationError as error:
            name = type(error).__name__
            self._say_of(entry.at, f"is not valid: {name}: {error!s:.300}")
            return
        at = entry.at
        if hashlib.sha256(entry.raw).digest() != entry.sha256:
            self._say_of(at, "its bytes are not those that were committed (SHA-256)")
        if said.id != entry.id:
            self._say_of(at, f"its bytes have the id {said.id}, its row {entry.id}")
        if (said.asset_id, said.operation) != (entry.asset_id, entry.operation):
            self._say_of(at, "its row has another asset or operation than its bytes")
        elif said.operation not in PLAIN:
            self._recount.add(at, entry.raw)
        outputs = [(index, *each) for index, each in enumerate(said.outputs)]
        if outputs != entry.outputs:
            self._say_of(at, "its outputs are not those of its bytes")
        for public_key, output_index, stands in said.keys:
            self._keys.ask(at, (public_key, at, output_index, stands))
        for transaction_id, output_index in said.spends:
            if may_exist(transaction_id, output_index):
                self._spends.ask(at, (transaction_id, output_index, at))
            else:
                self._lacks_spend(at, (transaction_id, output_index))
        if isinstance(said, AcceptedTransaction):
            if self._words.pop(at, b"") != _sizes(said.text):
                self._say_of(at, "the index of words has other words of it")

    def _read(
        self, entry: Entry, raw: bytes, index: int
    ) -> AcceptedTransaction | Outline:
        """What the rows should be."""
        if not self._thorough:
            return read_outline(raw)
        digest = hashlib.sha256(raw).digest()
        self._view.move(entry.at)
        transaction = validate(Candidate(raw, digest), self._view)
        return rows_of(transaction, index, digest)

    def _lacks_key(self, at: int, wanted: Row) -> None:
        self._say_of(at, f"it is not found by the key {wanted[0]:.64}")

    def _lacks_spend(self, at: int, wanted: Row) -> None:
        self._say_of(
            at,
            f"it spends output {wanted[1]} of {wanted[0]:.64}, which is not there before it"
            " or not marked as spent by it",
        )

    def _lacks_blocks(self, first: int, last: int) -> None:
        many = f"the blocks up to {last} are missing"
        self._say(first, "is missing" if first == last else many)

    def _say_of(self, at: int, text: str) -> None:
        height, index = Position.of_key(at)
        self._say(height, f"transaction {index}: {text}")

    def _say(self, height: int, text: str) -> None:
        self._found += 1
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(Finding(height, text))


def _sizes(text: tuple[str | None, str | None]) -> bytes:
    """How the index of words writes down the number of terms in each column."""
    if not any(text):
        return b""
    counts = [0 if each is None else each.count(" ") + 1 for each in text]
    return b"".join(map(_varint, counts))


def _varint(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))
