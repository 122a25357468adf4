"""An export as an import reads it: one block at a time, and nothing that could be endless.

The format is in `export_lines`. Whoever wrote the file may have been anybody.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from trio_stream.abci.messages import Time
from trio_stream.ledger.block import (
    MAX_HEIGHT,
    MAX_TRANSACTIONS,
    REASON_LIMIT,
    Chain,
    Continued,
    RefusedTransaction,
)
from trio_stream.ledger.recorded import NotAsRecorded, RecordedBlock
from trio_stream.log.export_lines import FORMAT, MARK
from trio_stream.stream.messages import LAST_NANO
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.ids import ID

MAX_LINE: Final = 256 << 20
"""Bytes. A block of an engine has at most 100 MiB, and each byte becomes at most two."""
MAX_BLOCK: Final = 512 << 20
"""Bytes of a block's lines, refused transactions included, which are shorter than they were."""

_DAMAGED = (zlib.error, gzip.BadGzipFile, EOFError)


class ExportFile:
    """An export as it is read: `chain`, then all of `blocks`, then `digest`.

    Raises `NotAsRecorded`, wherever it stops to be what `Lines` writes.
    """

    def __init__(self, file: Path) -> None:
        self._in = gzip.open(file, "rb")
        self._hash = hashlib.sha256()
        self._place = "its first line"
        try:
            self._begin()
        except BaseException:
            self._in.close()
            raise

    def _begin(self) -> None:
        head = self._next()
        if MARK not in head:
            raise NotAsRecorded("it is not an export of trio-stream")
        if type(head[MARK]) is not int or head[MARK] != FORMAT:
            raise NotAsRecorded(
                f"it has format {head[MARK]!r:.40}, this release reads {FORMAT}"
            )
        with _Expected(self._place):
            self.chain = _chain(head["chain"])
            self.height = _integer(head["height"])
            if not 1 <= self.chain.initial_height <= self.height <= MAX_HEIGHT:
                raise ValueError
            self.transactions = _integer(head["transactions"])
        self.digest = ""
        """What the file says; known after the last block."""
        self._app_hash = ""

    def close(self) -> None:
        """Let go of the file."""
        self._in.close()

    def compare(self, log: object) -> None:
        """Nothing else is recorded."""

    def blocks(self) -> Iterator[RecordedBlock]:
        """All blocks; the file is at its end, and whole, when they are."""
        count, due = 0, self.chain.initial_height
        while due <= self.height:
            self._place = f"block {due}"
            block = self._block(due)
            count += sum(isinstance(each, bytes) for each in block.transactions)
            yield block
            due += 1
        self._place = "its end"
        sha256 = self._hash.hexdigest()
        end = self._next()
        with _Expected(self._place):
            said, self.digest = end["end"]["sha256"], _hash(end["end"]["digest"])
        if self._read():
            raise NotAsRecorded("it goes on after its end")
        if count != self.transactions:
            raise NotAsRecorded(
                f"it has {count} transactions, and says that it has {self.transactions}"
            )
        if said != sha256:
            raise NotAsRecorded("it was changed after it was written (SHA-256)")

    def _block(self, height: int) -> RecordedBlock:
        line = self._next()
        begins = None
        if "move" in line:
            with _Expected(self._place):
                begins = self._move(line["move"], height)
            line = self._next()
        with _Expected(self._place):
            head = line["block"]
            found, time = _integer(head["height"]), _time(head["time"])
            app_hash = _text(head["app_hash"])
            counts = [_integer(head["accepted"]), _integer(head["refused"])]
        if found != height:
            raise NotAsRecorded(f"block {height} is missing: block {found} follows")
        if sum(counts) > MAX_TRANSACTIONS:
            raise NotAsRecorded(f"{self._place} has too many transactions")
        transactions: list[bytes | RefusedTransaction] = []
        size = 0
        for index in range(sum(counts)):
            self._place = f"block {height}, transaction {index}"
            line = self._next()
            with _Expected(self._place):
                transactions.append(_transaction(line, index))
            size += self._size
            if size > MAX_BLOCK:
                raise NotAsRecorded(f"block {height} is larger than {MAX_BLOCK} bytes")
        self._app_hash = app_hash
        refused = sum(isinstance(each, RefusedTransaction) for each in transactions)
        if refused != counts[1]:
            raise NotAsRecorded(f"block {height} counts its transactions otherwise")
        return RecordedBlock(height, time, app_hash, transactions, begins)

    def _move(self, said: dict[str, Any], height: int) -> Chain:
        end = Continued(height - 1, self._app_hash, _hash(said["digest"]))
        chain = _chain({**said, "validators": []})
        if chain.initial_height != height or height == self.chain.initial_height:
            raise ValueError
        return replace(chain, continues=end)

    def _next(self) -> dict[str, Any]:
        line = self._read()
        if not line:
            raise NotAsRecorded(f"it ends before {self._place}")
        self._size = len(line)
        self._hash.update(line)
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise NotAsRecorded(f"{self._place} can't be read") from None
        if not isinstance(value, dict):
            raise NotAsRecorded(f"{self._place} can't be read")
        return value

    def _read(self) -> bytes:
        try:
            line = self._in.readline(MAX_LINE + 1)
        except _DAMAGED as error:
            text = f"it is cut off or damaged before {self._place}: {error}"
            raise NotAsRecorded(text) from error
        if len(line) > MAX_LINE:
            raise NotAsRecorded(f"{self._place} is longer than {MAX_LINE} bytes")
        return line


class _Expected:
    """Where a line has another shape than expected, says which."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, (LookupError, TypeError, ValueError)):
            raise NotAsRecorded(f"{self._place} is not as it should be") from error


def _transaction(line: dict[str, Any], index: int) -> bytes | RefusedTransaction:
    if "accepted" in line:
        return _text(line["accepted"]).encode()
    sha256, claimed, error, reason = line["refused"]
    if claimed is not None:
        claimed = _hash(claimed)
    digest = bytes.fromhex(_hash(sha256))
    if max(len(error), len(reason)) > REASON_LIMIT:
        raise ValueError
    return RefusedTransaction(index, digest, claimed, _text(error), _text(reason))


def _chain(value: dict[str, Any]) -> Chain:
    return Chain(
        _text(value["chain_id"]),
        _integer(value["rules"]),
        _text(value["start_hash"]),
        _integer(value["initial_height"]),
        _time(value["genesis_time"]),
        tuple(
            Validator(_text(kind), bytes.fromhex(key), _integer(power))
            for kind, key, power in value["validators"]
        ),
    )


def _time(value: list[Any]) -> Time:
    seconds, nanos = value
    return Time(_integer(seconds, -(1 << 62)), _integer(nanos, most=LAST_NANO))


def _integer(value: object, least: int = 0, most: int = 1 << 62) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError
    return value


def _hash(value: object) -> str:
    """An id, a digest or a SHA-256 in hexadecimal."""
    text = _text(value)
    if not ID.fullmatch(text):
        raise ValueError
    return text


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    # A lone surrogate is no text that could be stored.
    value.encode()
    return value
