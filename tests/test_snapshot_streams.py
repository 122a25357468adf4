"""A node that restored a snapshot serves what one that followed the chain serves, byte for byte."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from scripts.signing import Document, Key, encode
from tests.ledger.chains import Engine, new_engine
from tests.log.snapshotting import apply_all, contents, more, offer, take
from tests.voting import GENESIS, KEYS, election, vote
from trio_stream.ledger.block import MAX_HEIGHT
from trio_stream.log.file import open_for_reading
from trio_stream.log.replay import read_frames
from trio_stream.log.restoring import Restoring
from trio_stream.log.writer import CommitLog
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form, Selection, Stream
from trio_stream.transactions import base58

BLOCKS = 2_000
EVERY = 50
"""Blocks from one election to the next."""

START, END = Position.end_of(0), Position.end_of(MAX_HEIGHT)


def write(log: CommitLog) -> None:
    """Mixed blocks; elections that add validators, change them, remove them, or fail."""
    engine = new_engine(store=log)
    engine.init_chain(validators=GENESIS)
    people = [Key.from_seed(bytes([seed]) * 32) for seed in range(60, 66)]
    opened: Document | None = None
    while engine.next_height <= BLOCKS:
        height = engine.next_height
        turn, step = divmod(height, EVERY)
        documents: list[Document] = []
        if step == 3:
            opened = _election(log, people[turn % 6], turn)
            documents = [opened]
        elif opened is not None and step in (5, 6, 8):
            documents = [vote(opened, KEYS[(5, 6, 8).index(step)])]
            if turn % 5 == 4:
                documents = []
        engine.block(*map(encode, documents), *more(height))
    _assert_mixed(engine, log)


def _election(log: CommitLog, who: Key, turn: int) -> Document:
    tokens = [(base58.encode(each.key), each.power) for each in log.validators()]
    power = 1 if turn % 12 < 6 else (0 if turn % 12 < 9 else 2)
    return election(who, power=power, recipients=tokens, seed=str(turn))


def _assert_mixed(engine: Engine, log: CommitLog) -> None:
    count = "SELECT count(DISTINCT height) FROM validators"
    assert next(iter(log.connection.execute(count)))[0] > 10
    count = "SELECT sum(concluded), count(*) FROM tallies"
    ((concluded, tallies),) = log.connection.execute(count)
    assert 10 < concluded < tallies
    assert engine.next_height == BLOCKS + 1


def stream(log: apsw.Connection, selection: Selection) -> bytes:
    """All that there is of it."""
    parts, after = [], START
    while True:
        page = read_frames(log, PageRequest(selection, after, END, 1 << 20, 10_000))
        parts.append(page.data)
        if page.end in (after, END):
            return b"".join(parts)
        after = page.end


@pytest.mark.slow
def test_the_three_streams_are_the_same(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path / "followed") as log:
        # No power is lost here.
        log.connection.execute("PRAGMA synchronous = OFF")
        write(log)
        taken = take(log, chunk_bytes=50_000)
    with CommitLog.open(tmp_path / "joined") as log:
        with closing(Restoring(log)) as restoring:
            offer(restoring, taken)
            apply_all(restoring, taken)
        tip = log.tip()
        assert tip is not None and tip.app_hash == taken.app_hash.decode()
    homes = [tmp_path / name for name in ("followed", "joined")]
    found = []
    for home in homes:
        with closing(open_for_reading(home / "log.db")) as reader:
            found.append(
                {
                    (which, form): stream(reader, Selection(which, form))
                    for which in Stream
                    for form in Form
                }
            )
    assert all(map(len, found[0].values()))
    assert found[0] == found[1]
    assert contents(homes[0]) == contents(homes[1])
