"""One thing at a time: a block, a transaction, what there is."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode

import pytest

from tests.log.followed.made import CHAIN, hash_at, made, transfer, tx_of
from tests.log.readers import inline
from trio_stream.abci.messages import Time
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.lookups import (
    LogSummary,
    read_block_text,
    read_transaction_text,
    summary,
)
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog

GAP = Gap(7, 9, "pruned", "n: gone")


@pytest.fixture
def log(tmp_path):
    with FollowedLog.open(tmp_path, keep=Keep(blocks=5)) as log:
        log.begin(CHAIN)
        log.append(made(5, [transfer("me")]))
        log.append(made(6, [transfer("me")], [transfer("you")]))
        yield log


def digest_of(height: int, index: int) -> bytes:
    return hashlib.sha256(b64decode(tx_of(height, index))).digest()


def test_a_block_has_its_header_and_the_hashes_of_its_transactions(log):
    text = read_block_text(log.connection, 6)
    assert isinstance(text, bytes)
    said = json.loads(text)
    assert said["height"] == 6
    assert said["hash"] == hash_at(6).hex().upper()
    assert said["header"] == made(6).raw_block["block"]["header"]
    hashes = [digest_of(6, index).hex().upper() for index in (0, 1)]
    assert said["tx_hashes"] == hashes
    assert said["transactions"] == 2
    assert {"time", "position", "events"} < set(said)


def test_a_block_that_is_missing_is_named_as_its_gap(log):
    log.gap(GAP)
    assert read_block_text(log.connection, 8) == GAP
    assert read_block_text(log.connection, 4) is None
    assert read_block_text(log.connection, 10) is None


def test_a_transaction_has_all_that_is_known_of_it(log):
    text = read_transaction_text(log.connection, digest_of(6, 1))
    assert text is not None
    said = json.loads(text)
    assert (said["height"], said["index"], said["tx"]) == (6, 1, tx_of(6, 1))
    assert said["tx_hash"] == digest_of(6, 1).hex().upper()
    assert said["events"][0]["type"] == "transfer"
    assert {"gas_used", "log", "data", "position", "time"} < set(said)
    assert read_transaction_text(log.connection, bytes(32)) is None
    assert read_transaction_text(log.connection, b"") is None


def test_what_there_is(log):
    before = summary(log.connection)
    assert before._replace(used_bytes=0, block_time=None) == LogSummary(
        CHAIN.chain_id, 5, 5, 6, None, 0, 0, 0
    )
    assert before.used_bytes > 10_000
    assert isinstance(before.block_time, Time)
    log.gap(GAP)
    after = summary(log.connection)
    assert (after.tip, after.gaps, after.missing) == (9, 1, 3)
    assert after.block_time is None


def test_nothing_is_there_before_the_chain_is_known(tmp_path):
    with FollowedLog.open(tmp_path / "new") as log:
        found = summary(log.connection)
    assert (found.chain_id, found.oldest, found.tip) == ("", 1, 0)
    assert found.block_time is None


async def test_a_reader_finds_them(log):
    reader = FollowedReader(log.path, run_sync=inline)
    assert await reader.summary() == summary(log.connection)
    assert await reader.block_text(6) == read_block_text(log.connection, 6)
    digest = digest_of(6, 0)
    found = await reader.transaction_text(digest)
    assert found == read_transaction_text(log.connection, digest)
    await reader.aclose()
