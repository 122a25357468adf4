"""Snapshots of a log that holds a bit of everything, and whether another log is the same."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import pytest

from scripts.signing import Key, create, encode, transfer
from tests.ledger.chains import ALICE, BOB, CHAIN_ID, TIME, new_engine
from tests.voting import GENESIS, KEYS, NEWCOMER, election, vote
from trio_stream.abci.messages import InitChain
from trio_stream.abci.snapshot_messages import ApplyAnswer, OfferVerdict, Snapshot
from trio_stream.log import snapshot_chunks
from trio_stream.log.file import FILE_NAME
from trio_stream.log.restoring import Restoring
from trio_stream.log.snapshots import Snapshots
from trio_stream.log.writer import CommitLog

GENESIS_FILE: Final = InitChain(TIME, CHAIN_ID, tuple(GENESIS), b"", 1, signed=True)
SMALL: Final = 3_000
"""Bytes of a chunk: several transactions, and less than the largest ones."""


class Taken(NamedTuple):
    """A snapshot as a peer has it."""

    snapshot: Snapshot
    chunks: list[bytes]
    app_hash: bytes

    def without(self, index: int) -> Taken:
        """With a chunk that is another one than was promised."""
        chunks = list(self.chunks)
        chunks[index] = b"x"
        return self._replace(chunks=chunks)


def write_varied(log: CommitLog, blocks: int = 12) -> None:
    """Votes that decide on a validator, spends, refusals, empty blocks, a large transaction."""
    engine = new_engine(store=log)
    engine.init_chain(validators=GENESIS)
    opened = election(NEWCOMER, power=5)
    engine.block(encode(opened), b"nonsense", *more(1))
    engine.block(encode(vote(opened, KEYS[0])))
    engine.block()
    engine.block(encode(vote(opened, KEYS[1])), encode(vote(opened, KEYS[2])))
    engine.block(encode(create(ALICE, data={"text": "word " * 2_000})), *more(5))
    while engine.next_height <= blocks:
        engine.block(*more(engine.next_height))
    assert len(log.validators()) == 5


def more(height: int) -> list[bytes]:
    """An asset and its transfer; in some blocks refused ones, in others nothing."""
    made = create(ALICE, recipients=[(ALICE, 2), (BOB, 3)], metadata={"h": height})
    moved = transfer(
        made, BOB, output_index=1, recipients=[(Key.from_seed(b"k" * 32), 3)]
    )
    match height % 4:
        case 0:
            return []
        case 1:
            return [encode(made), encode(moved), encode(made), b"{}"]
    return [encode(made), encode(moved)]


def take(log: CommitLog, *, chunk_bytes: int = SMALL, keep: int = 2) -> Taken:
    """Make a snapshot of the log as it is, in its directory."""
    tip = log.tip()
    assert tip is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_chunks, "CHUNK_BYTES", chunk_bytes)
        snapshots = Snapshots(log, keep=keep)
        made = snapshots.make(tip.height, lambda: False)
    assert made is not None
    numbers = range(made.chunks)
    chunks = [snapshots.chunk(made.height, made.format, each) for each in numbers]
    return Taken(made, chunks, tip.app_hash.encode())


def offer(
    restoring: Restoring, taken: Taken, genesis: InitChain = GENESIS_FILE
) -> OfferVerdict:
    """Offer the snapshot."""
    return restoring.offer(taken.snapshot, taken.app_hash, genesis)


def apply_all(restoring: Restoring, taken: Taken) -> list[ApplyAnswer]:
    """The answers to all chunks, each from a peer of its own."""
    return [
        restoring.apply(index, chunk, f"peer{index}")
        for index, chunk in enumerate(taken.chunks)
    ]


def contents(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, and where each word occurs."""
    with closing(apsw.Connection(str(home / FILE_NAME))) as database:
        sql = (
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
            " AND name NOT LIKE 'texts%' ORDER BY name"
        )
        names = [name for (name,) in database.execute(sql)]
        found = {
            name: database.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in names
        }
        database.execute(
            "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, texts, instance)"
        )
        found["words"] = database.execute("SELECT * FROM words").fetchall()
        sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2"
        found["schema"] = database.execute(sql).fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return found
