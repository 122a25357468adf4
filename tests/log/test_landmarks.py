"""Where the log begins and ends, and what is at a place in it."""

from __future__ import annotations

import hashlib

import pytest

from scripts.signing import create, encode, transfer
from tests.history import app_hash_of
from tests.ledger.chains import BOB, new_engine
from tests.log.readers import BLOCKS, EVENTS, START, open_reader
from trio_stream.log.writer import CommitLog
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks

REFUSED = Position(2, 1)


@pytest.mark.parametrize(
    ("place", "fingerprint"),
    [
        *((Position(e.height, e.index), e.transaction_id) for e in EVENTS[:3]),
        (Position.end_of(7), app_hash_of(7)),
        (Position.end_of(5), app_hash_of(4)),
        (REFUSED, hashlib.sha256(b"nonsense").hexdigest()),
        (Position(5, 0), None),
        (Position(2, 99), None),
        (Position.end_of(BLOCKS + 1), None),
        (START, None),
        (Position(10**18, 10**7), None),
        (Position.end_of(10**18), None),
    ],
)
async def test_what_stands_at_a_position(reader, place, fingerprint):
    landmarks = await reader.landmarks(place)
    assert landmarks.found == Found(place, fingerprint)
    assert (landmarks.oldest, landmarks.tip) == (1, BLOCKS)
    assert landmarks.tip_hash == app_hash_of(BLOCKS)
    assert landmarks.chain


async def test_where_a_transaction_stands(reader):
    for event in EVENTS[:5]:
        found = (await reader.landmarks(event.transaction_id)).found
        assert found == Found(Position(event.height, event.index), event.transaction_id)
    for unknown in ("0" * 64, "", "\ud800", "x" * 1000):
        assert (await reader.landmarks(unknown)).found is None
    assert (await reader.landmarks(None)).found is None


async def test_where_a_transaction_was_refused(tmp_path):
    document = transfer(create(BOB), BOB)
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.block(encode(document))
        engine.block(b"nonsense", encode(document))
        reader = open_reader(log)
        found = (await reader.landmarks(document["id"])).found
        assert found == Found(Position(2, 1), document["id"], committed=False)
        await reader.aclose()


async def test_before_the_chain_begins_nothing_is_known(young):
    _, reader = young
    assert await reader.landmarks(START) == Landmarks()
