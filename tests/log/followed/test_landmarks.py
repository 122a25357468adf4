"""What the log says about itself to those who resume."""

from __future__ import annotations

import pytest

from tests.log.followed.made import CHAIN, hash_at, made
from trio_stream.cometbft.followed import FollowedChain, Gap
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.landmarks import landmarks
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks

END = Position.end_of


@pytest.fixture
def filled(log):
    log.append(made(5, [], []))
    log.append(made(6, []))
    log.gap(Gap(7, 9, "pruned", "x"))
    return log


def test_before_the_chain_is_known_there_is_nothing(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        assert landmarks(None, log.connection) == Landmarks()


def test_a_chain_without_a_block(log):
    marks = Landmarks(chain=CHAIN.chain_id, oldest=5, is_cut=True)
    assert landmarks(None, log.connection) == marks


def test_the_first_block_says_what_was_before_it(filled):
    found = landmarks(None, filled.connection)
    assert found == Landmarks(
        chain=CHAIN.chain_id,
        oldest=5,
        start_hash=hash_at(4).hex(),
        tip=9,
        tip_hash=None,
        is_cut=True,
    )


def test_a_chain_from_its_first_block_is_not_cut(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        log.begin(FollowedChain("new", 1))
        log.append(made(1))
        found = landmarks(None, log.connection)
    assert not found.is_cut
    assert found.tip_hash == hash_at(1).hex()


@pytest.mark.parametrize(
    ("place", "fingerprint"),
    [
        (END(5), hash_at(5).hex()),
        (END(4), None),
        (END(10), None),
        (Position(6, 1), None),
        (END(1 << 60), None),
    ],
)
def test_what_is_at_a_position(filled, place, fingerprint):
    assert landmarks(place, filled.connection).found == Found(place, fingerprint)


@pytest.mark.parametrize("place", [END(8), Position(8, 1), END(9)])
def test_nobody_knows_what_is_at_a_position_in_a_gap(filled, place):
    found = landmarks(place, filled.connection).found
    assert found == Found(place, None, is_missing=True)


def test_a_transaction_is_found_by_hash(filled):
    tx_hash = made(5, [], []).block.tx_hashes[1].lower()
    found = Found(Position(5, 1), tx_hash)
    for text in (tx_hash, tx_hash.upper()):
        assert landmarks(text, filled.connection).found == found
    assert landmarks(Position(5, 1), filled.connection).found == found


@pytest.mark.parametrize("text", ["ab" * 32, "", "x"])
def test_unknown_transactions(filled, text):
    assert landmarks(text, filled.connection).found is None


def test_of_a_pruned_log(tmp_path):
    with FollowedLog.open(tmp_path, keep=Keep(blocks=2)) as log:
        log.begin(FollowedChain("new", 1))
        for height in range(1, 6):
            log.append(made(height))
        log.prune()
        found = landmarks(END(2), log.connection)
    assert (found.oldest, found.is_cut, found.start_hash) == (4, True, hash_at(3).hex())
    assert found.found == Found(END(2), None)
