from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from tests.cometbft.recordings import (
    ALL,
    RELEASES,
    answer,
    block,
    busy,
    line,
    recording,
)
from trio_stream.cometbft.blocks import (
    BlockId,
    read_bare_header,
    read_block,
    read_block_id,
    read_commit,
    read_header,
    read_status,
)
from trio_stream.cometbft.errors import BlockNotThere, Malformed, UnknownMethod


@pytest.mark.parametrize("name", RELEASES)
def test_what_each_release_answers(name: str) -> None:
    height = busy(name)
    found = block(name, height)
    assert found.header.height == height
    assert set(found.txs) < {
        b"a=1",
        b"b=2",
        b"c=3",
        b"d=4",
        b"name=satoshi",
        b"k=5atom",
    }
    assert len(found.txs) > 3
    sealed = read_commit(answer(name, f"commit?height={height}"))
    assert (sealed.header, sealed.block_id) == (found.header, found.block_id)
    assert block(name, 2).header.last_block_id == block(name, 1).block_id
    assert (found.header.counts is not None) == (line(name) <= (0, 32))
    assert found.header.block_protocol == (10 if line(name) <= (0, 33) else 11)


@pytest.mark.parametrize("name", RELEASES)
def test_a_header_by_itself(name: str) -> None:
    height = busy(name)
    if line(name) < (0, 37):
        with pytest.raises(UnknownMethod):
            answer(name, f"header?height={height}")
    else:
        header = read_bare_header(answer(name, f"header?height={height}"))
        assert header == block(name, height).header


@pytest.mark.parametrize("name", ALL)
def test_status(name: str) -> None:
    status = read_status(answer(name, "status"))
    assert status.latest_height >= busy(name)
    assert status.chain_id == block(name, busy(name)).header.chain_id
    assert status.earliest_height == (None if line(name) <= (0, 32) else 1)
    assert (len(status.latest_hash), status.catching_up) == (32, False)
    assert status.version


def test_the_first_block_follows_none() -> None:
    for name in RELEASES:
        assert block(name, 1).header.last_block_id == BlockId(b"", 0, b"")


def test_hashes_of_transactions() -> None:
    found = block("sdk050_cmt0.38.11", 28)
    assert found.tx_digests == (sha256(found.txs[0]).digest(),)
    assert found.tx_hashes == (sha256(found.txs[0]).hexdigest().upper(),)


def test_an_empty_store() -> None:
    raw = {
        "node_info": {"network": "c"},
        "sync_info": {
            "latest_block_height": "0",
            "latest_block_hash": "",
            "catching_up": True,
        },
    }
    status = read_status(raw)
    assert (status.latest_height, status.latest_hash, status.catching_up) == (
        0,
        b"",
        True,
    )


def test_what_is_not_there() -> None:
    with pytest.raises(BlockNotThere):
        read_block(
            {"block_id": {"hash": "", "parts": {"total": 0, "hash": ""}}, "block": None}
        )
    with pytest.raises(BlockNotThere):
        read_bare_header({"header": None})
    unsigned: dict[str, Any] = {"signed_header": {"header": {}, "commit": None}}
    for signed in ({}, {"signed_header": None}, unsigned):
        with pytest.raises(BlockNotThere):
            read_commit(signed)


def header(**changes: object) -> dict[str, Any]:
    return {"chain_id": "c", "height": "1", **changes}


def test_what_a_header_may_lack() -> None:
    read = read_header(header())
    assert (read.block_protocol, read.app_protocol, read.data_hash) == (0, 0, b"")
    old = read_block_id({"hash": "AB", "part_set_header": {"total": 1, "hash": "CD"}})
    assert old == BlockId(b"\xab", 1, b"\xcd")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        header(chain_id=""),
        header(chain_id=7),
        header(height="0"),
        header(height="-1"),
        header(height=None),
        header(data_hash="xyz"),
        header(version=[1]),
        header(last_block_id="x"),
        header(last_block_id={"parts": "x"}),
        header(time=1),
        header(num_txs="x"),
    ],
)
def test_a_malformed_header(raw: object) -> None:
    with pytest.raises(Malformed):
        read_header(raw)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {"block": []},
        {"block": {}, "block_meta": 1},
        {"block": {"data": None}},
        {"block": {"data": {}, "header": None}},
        {"block": {"data": {"txs": ["not base64"]}, "header": header()}},
        {"block": {"data": {"txs": "YQ=="}, "header": header()}},
    ],
)
def test_a_malformed_block(raw: object) -> None:
    with pytest.raises(Malformed):
        read_block(raw)


def test_other_malformed_answers() -> None:
    for read in (read_commit, read_bare_header, read_status):
        with pytest.raises(Malformed):
            read([])
    with pytest.raises(Malformed):
        read_status({"node_info": {"network": ""}, "sync_info": {}})


def test_transactions_may_be_null() -> None:
    raw = {"block": {"data": {"txs": None}, "header": header()}}
    assert not read_block(raw).txs
    assert not read_block(raw).tx_hashes


def test_recorded_heights_are_there() -> None:
    assert all(1 in recording(name)["heights"] for name in RELEASES)
