"""What the log keeps, and what it refuses to open."""

from __future__ import annotations

import json
import threading

import pytest

from scripts.signing import create, encode, transfer
from tests.conftest import VECTORS
from tests.history import assert_whole, commit_blocks
from tests.ledger.chains import ALICE, BOB, CHAIN_ID, TIME, MemoryStore, new_engine
from tests.ledger.test_staging import POOL
from trio_stream.ledger.block import Block, Chain, Tip
from trio_stream.log import writer
from trio_stream.log.errors import (
    LogDamaged,
    LogFromNewerVersion,
    LogOutOfSpace,
    LogReplaced,
)
from trio_stream.log.file import (
    value,
)
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.elections import Validator

CHAIN = Chain(
    CHAIN_ID,
    1,
    "",
    3,
    TIME,
    (Validator("ed25519", b"k" * 32, 10), Validator("secp256k1", b"l" * 33, 2**60)),
)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def log(home):
    with CommitLog.open(home) as log:
        yield log


def rows(log, sql):
    return log.connection.execute(sql).fetchall()


# Opening


def test_a_new_directory_is_made(home, log):
    assert log.path.parent == home
    assert log.chain() is None
    assert log.tip() is None


def test_what_was_stored_is_found_after_opening_again(home):
    with CommitLog.open(home) as log:
        log.begin_chain(CHAIN)
        log.append(Block(3, TIME, "ab" * 32, [], []))
    with CommitLog.open(home) as log:
        assert log.chain() == CHAIN
        assert log.tip() == Tip(3, "ab" * 32)


# The chain


def test_unknown_rules_of_the_chain_are_refused(log):
    log.begin_chain(CHAIN)
    rows(log, "UPDATE chain SET rules = 2")
    with pytest.raises(LogFromNewerVersion, match="rules 2, ours are 1"):
        log.chain()


def test_a_chain_without_blocks_is_replaced(log):
    log.begin_chain(CHAIN)
    fewer = Chain(CHAIN_ID, 1, "ab" * 32, 9, TIME, CHAIN.validators[1:])
    log.begin_chain(fewer)
    assert log.chain() == fewer
    assert rows(log, "SELECT count(*) FROM validators") == [(1,)]


def test_validators_keep_their_order(log):
    many = tuple(Validator("ed25519", bytes([n]) * 32, n) for n in range(50, 0, -1))
    log.begin_chain(Chain(CHAIN_ID, 1, "", 1, TIME, many))
    assert log.chain().validators == many


# Blocks


def test_a_history_is_kept_whole(home, log):
    commit_blocks(log, 40)
    assert assert_whole(home) == 40


def test_each_block_may_come_from_another_thread(home, log):
    for _ in range(5):
        thread = threading.Thread(target=commit_blocks, args=(log, 2))
        thread.start()
        thread.join()
    assert assert_whole(home) == 10


@pytest.mark.parametrize("size", [1, 4])
def test_it_answers_as_a_store_in_memory_does(log, size):
    """The same blocks over both stores: verdicts, hashes, and the view afterwards."""
    memory = MemoryStore()
    engines = [new_engine(store=log), new_engine(store=memory)]
    for start in range(0, len(POOL), size):
        answers = [engine.block(*POOL[start : start + size]) for engine in engines]
        assert answers[0] == answers[1]
    assert log.tip() == memory.tip()
    ids = [*memory.outputs, "0" * 64, "no id", "A" * 64, "\ud800", "0" * 10**6]
    for transaction_id in ids:
        assert log.has_transaction(transaction_id) == memory.has_transaction(
            transaction_id
        )
        for index in (0, 1, 2, 2**26, 2**31, 2**63, 2**64 - 1):
            link = transaction_id, index
            assert log.output(*link) == memory.output(*link)
            assert log.spender(*link) == memory.spender(*link)


def test_the_block_has_its_header_time_and_counts(log):
    engine = new_engine(store=log)
    engine.block(encode(create(ALICE)), b"no", b"nor this")
    columns = "height, seconds, nanos, accepted, refused"
    assert rows(log, f"SELECT {columns} FROM blocks") == [(1, *TIME, 1, 2)]


def test_outputs_keys_and_assets_can_be_found(log):
    asset = create(ALICE, recipients=[(ALICE, 5), (BOB, 9 * 10**18)])
    moved = transfer(asset, BOB, output_index=1)
    new_engine(store=log).block(encode(asset), encode(moved))

    transactions = rows(log, "SELECT id, asset_id, operation FROM transactions")
    assert transactions == [
        (asset["id"], None, "CREATE"),
        (moved["id"], asset["id"], "TRANSFER"),
    ]
    first, second = (1 << 26), (1 << 26) + 1
    outputs = "SELECT position, output_index, amount, spent_by FROM outputs"
    assert rows(log, outputs) == [
        (first, 0, 5, None),
        (first, 1, 9 * 10**18, second),
        (second, 0, 9 * 10**18, None),
    ]
    keys = rows(log, "SELECT * FROM keys ORDER BY position, output_index")
    assert keys == [
        (ALICE.public, first, -1, 0),
        (ALICE.public, first, 0, 1),
        (BOB.public, first, 1, 1),
        (BOB.public, second, -1, 0),
        (BOB.public, second, 0, 1),
    ]


def test_an_output_that_nobody_can_spend_is_kept_without_condition(log):
    name = "q08_create_threshold_larger_than_subconditions"
    document = json.loads((VECTORS / f"{name}.json").read_text())["transaction"]
    new_engine(store=log).block(encode(document))
    assert log.output(document["id"], 0).condition_uri is None


def test_a_refusal_is_kept_with_all_that_is_known(log):
    asset = create(ALICE)
    engine = new_engine(store=log)
    engine.block(encode(asset))
    engine.block(b"no", encode(asset))
    kept = rows(log, "SELECT position, transaction_id, error, reason FROM refused")
    assert [each[:3] for each in kept] == [
        (2 << 26, None, "MalformedTransaction"),
        ((2 << 26) + 1, asset["id"], "DuplicateTransaction"),
    ]
    assert asset["id"] in kept[1][3]


# Failing


def limit_pages(log, more):
    pages = value(log.connection, "PRAGMA page_count")
    rows(log, f"PRAGMA max_page_count = {pages + more}")


@pytest.mark.parametrize("more", [0, 1, 2, 5, 10])
def test_a_block_that_does_not_fit_is_not_kept_at_all(home, log, more):
    commit_blocks(log, 7)
    limit_pages(log, more)
    with pytest.raises(LogOutOfSpace) as caught:
        commit_blocks(log, 1000)
    assert caught.value.operation.startswith("append block ")
    assert caught.value.place == log.path
    height = int(caught.value.operation.split()[2])
    assert log.tip().height == height - 1
    assert assert_whole(home) == height - 1


def test_a_chain_that_does_not_fit_is_not_begun(log):
    limit_pages(log, 0)
    many = tuple(Validator("ed25519", bytes(32), n) for n in range(1000))
    with pytest.raises(LogOutOfSpace, match="begin a chain in"):
        log.begin_chain(Chain(CHAIN_ID, 1, "", 1, TIME, many))
    assert log.chain() is None


def test_a_block_that_contradicts_the_log_is_refused(home, log):
    commit_blocks(log, 3)
    with pytest.raises(LogDamaged):
        log.append(Block(3, TIME, "", [], []))
    assert assert_whole(home) == 3


def test_a_spend_of_a_missing_output_is_refused(home, log):
    """Validation never lets one through; the log checks that state and block agree."""
    memory = MemoryStore()
    asset = create(ALICE)
    engine = new_engine(store=memory)
    engine.block(encode(asset))
    engine.block(encode(transfer(asset, ALICE)))
    log.begin_chain(memory.begun)
    with pytest.raises(LogDamaged, match="does not exist, or is already spent"):
        log.append(memory.blocks[1])
    assert log.tip() is None


def test_nothing_is_written_into_a_file_that_was_removed(home, log):
    commit_blocks(log, 1)
    log.path.rename(home / "elsewhere")
    with pytest.raises(LogReplaced, match="log.db was removed"):
        commit_blocks(log, 1)


# Taking over another log


@pytest.fixture
def other(tmp_path):
    """The connection of a log with more blocks than one look at `stopping` copies."""
    with CommitLog.open(tmp_path / "other") as other:
        commit_blocks(other, 150)
        yield other.connection


def test_another_log_takes_its_place(home, log, other):
    assert log.take_over(other, stopping=lambda: False)
    assert assert_whole(home) == 150
    assert log.tip().height == 150
    commit_blocks(log, 3)
    assert assert_whole(home) == 153


def test_a_log_that_is_told_to_stop_takes_nothing(home, log, other, monkeypatch):
    monkeypatch.setattr(writer, "TAKEN_AT_ONCE", 10)
    commit_blocks(log, 3)
    answers = iter([False, False, True])
    assert not log.take_over(other, stopping=lambda: next(answers))
    assert assert_whole(home) == 3
    commit_blocks(log, 1)
    assert assert_whole(home) == 4


@pytest.mark.parametrize("more", [0, 10, 100])
def test_a_log_that_does_not_fit_does_not_take_its_place(home, log, other, more):
    commit_blocks(log, 3)
    limit_pages(log, more)
    with pytest.raises(LogOutOfSpace):
        log.take_over(other, stopping=lambda: False)
    assert assert_whole(home) == 3


def test_a_log_that_was_removed_takes_nothing(log, other):
    log.path.unlink()
    with pytest.raises(LogReplaced):
        log.take_over(other, stopping=lambda: False)
