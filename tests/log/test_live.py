"""New blocks as the channel reads them, and what their transactions hold."""

from __future__ import annotations

import hashlib

import pytest

from scripts.signing import encode
from tests.history import accepted_of, app_hash_of, asset_of, txs_of
from tests.log.readers import BLOCKS, EVENTS, MEGABYTE, START
from tests.log.test_landmarks import REFUSED
from trio_stream.log.live import EVENT_BYTES
from trio_stream.stream.events import RefusalEvent
from trio_stream.stream.position import Position


async def test_blocks_come_whole_and_in_order(reader):
    blocks = await reader.blocks_after(0, max_bytes=MEGABYTE)
    assert [block.height for block in blocks] == list(range(1, BLOCKS + 1))
    assert [block.app_hash for block in blocks] == [
        app_hash_of(height) for height in range(1, BLOCKS + 1)
    ]
    assert [event for block in blocks for event in block.events] == EVENTS
    refused = blocks[1].refused
    assert [type(each) for each in refused] == [RefusalEvent, RefusalEvent]
    assert [each.index for each in refused] == [1, len(txs_of(2)) - 1]
    assert [each.transaction_id for each in refused] == [None, asset_of(2)["id"]]
    assert refused[0].tx_sha256 == hashlib.sha256(b"nonsense").digest()


async def test_blocks_are_those_above_the_height(reader):
    blocks = await reader.blocks_after(9, max_bytes=MEGABYTE)
    assert [block.height for block in blocks] == [10, 11, 12]
    assert await reader.blocks_after(BLOCKS, max_bytes=MEGABYTE) == []
    assert await reader.blocks_after(BLOCKS + 5, max_bytes=MEGABYTE) == []


@pytest.mark.parametrize("max_bytes", [0, 1, 1000, 3000, MEGABYTE])
async def test_blocks_are_bounded_in_bytes_but_there_is_always_one(reader, max_bytes):
    height, events = 0, []
    while blocks := await reader.blocks_after(height, max_bytes=max_bytes):
        rows = sum(len(block.events) + len(block.refused) for block in blocks)
        assert len(blocks) == 1 or rows * EVENT_BYTES <= max_bytes
        events += [event for block in blocks for event in block.events]
        height = blocks[-1].height
    assert height == BLOCKS
    assert events == EVENTS


async def test_what_transactions_hold(reader):
    places = [Position(e.height, e.index) for e in EVENTS]
    documents = [d for h in range(1, BLOCKS + 1) for d in accepted_of(h)]

    found = await reader.contents([*places, REFUSED], max_bytes=MEGABYTE)

    assert list(found) == [place.key for place in places]
    for document, (keys, raw) in zip(documents, found.values(), strict=True):
        assert raw == encode(document)
        named = [each["owners_before"] for each in document["inputs"]]
        named += [each["public_keys"] for each in document["outputs"]]
        assert keys == {key for some in named for key in some}


async def test_of_large_contents_a_part_is_read(reader):
    places = [Position(e.height, e.index) for e in EVENTS]
    size = sum(len(raw) for raw in txs_of(1) if raw != b"nonsense")

    found = await reader.contents(places, max_bytes=size)

    assert 0 < len(found) < len(places)
    assert list(found) == [place.key for place in places][: len(found)]


async def test_what_is_not_a_transaction_holds_nothing(young):
    log, reader = young
    log.connection.execute("INSERT INTO bodies VALUES (?, x'00')", (START.key,))
    assert await reader.contents([START], max_bytes=MEGABYTE) == {}
