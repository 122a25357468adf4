"""A block's verdicts are those of its transactions one by one, whoever verifies the signatures.

Which error a transaction has, if it has several faults, and what is committed, may not depend on
pieces or threads: nodes that differ in them would part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import Document, create, encode, seal, transfer
from tests.conftest import VECTORS
from tests.ledger.chains import ALICE, BOB, CAROL, MemoryStore, new_engine
from tests.transactions.documents import raw_of
from trio_stream.abci.messages import Commit, DeliverTx, TxResult
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import Block
from trio_stream.transactions import block_candidates
from trio_stream.transactions.candidate import CandidateCache

Outcome = tuple[Sequence[TxResult], Sequence[Block]]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few transactions are several pieces, of several shares each."""
    monkeypatch.setattr(block_candidates, "PIECE", 4)
    monkeypatch.setattr(block_candidates, "SHARE", 1)


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def _one_by_one(*blocks: Sequence[bytes]) -> Outcome:
    """Each transaction by itself, without a cache."""
    engine = new_engine(cache_bytes=0)
    results: list[TxResult] = []
    for txs in blocks:
        results += engine.deliver(*txs)[0]
        engine.ask(Commit())
        engine.next_height += 1
    return results, engine.memory.blocks


def _in_threads(
    pool: ThreadPoolExecutor, *blocks: Sequence[bytes], whole: bool
) -> Outcome:
    """Each block at once, or its transactions as one hop."""
    store = MemoryStore()
    engine = new_engine(store=store, whole=whole)
    cache = CandidateCache(1 << 14, in_parallel=pool.map)
    engine.application = Application(store, cache, version="0")
    results: list[TxResult] = []
    for txs in blocks:
        # Some are known from a check.
        cache.examine_all(txs[::5], within=1_000)
        engine.application.prepare([DeliverTx(tx) for tx in txs])
        results += engine.deliver(*txs)[0]
        engine.ask(Commit())
        engine.next_height += 1
    return results, store.blocks


def _assert_same(pool: ThreadPoolExecutor, *blocks: Sequence[bytes]) -> None:
    results, made = _one_by_one(*blocks)
    for whole in True, False:
        in_threads, made_in_threads = _in_threads(pool, *blocks, whole=whole)
        assert in_threads == results
        assert [_without_hash(each) for each in made_in_threads] == [
            _without_hash(each) for each in made
        ]


def _without_hash(block: Block) -> tuple[object, ...]:
    # The hash before the first block depends on how blocks are sent; ids and order decide on more.
    return block.height, block.accepted, block.refused, block.tallies, block.updates


def _documents(recorded: dict[str, Any]) -> list[bytes]:
    before = [encode(each) for each in recorded.get("prerequisites", ())]
    return [*before, raw_of(recorded)]


def test_all_recorded_transactions(threads: ThreadPoolExecutor) -> None:
    raws: list[bytes] = []
    for path in sorted(VECTORS.glob("[viexq][0-9]*.json")):
        recorded = json.loads(path.read_text())
        if "transaction" in recorded or "transaction_raw" in recorded:
            raws += _documents(recorded)
    assert len(raws) > 80
    _assert_same(threads, raws, [*raws, *reversed(raws)])


def _palette() -> list[bytes]:
    """Transactions of each fault, and of several at once; they depend on one another."""
    first = create(ALICE, recipients=[(ALICE, 2), (BOB, 3)], data={"n": 1})
    second = create(BOB, data={"n": 2})
    moved = transfer(first, BOB, output_index=1, recipients=[(CAROL, 3)])
    again = transfer(moved, CAROL, recipients=[(ALICE, 1), (BOB, 2)])
    elsewhere = transfer(first, BOB, output_index=1, recipients=[(ALICE, 3)])
    good = [first, second, moved, again, elsewhere]
    stolen = transfer(first, CAROL, output_index=0)
    too_much = transfer(second, BOB, recipients=[(BOB, 7)])
    stolen_and_too_much = transfer(second, CAROL, recipients=[(BOB, 7)])
    missing = transfer(create(CAROL, data={"never": "sent"}), CAROL)
    other_asset = seal({**transfer(second, BOB), "asset": {"id": first["id"]}})
    forged = seal({**create(ALICE), "metadata": {"forged": "yes"}})
    forged_and_misshapen = seal({**forged, "version": "1.0"})
    bad_name = create(ALICE, data={"a.b": 1})
    bad_id = {**second, "id": first["id"]}
    return [
        *map(encode, [*good, stolen, too_much, stolen_and_too_much, missing]),
        *map(encode, [other_asset, forged, forged_and_misshapen, bad_name, bad_id]),
        encode(_no_such_output(first)),
        b"[]",
        b"\xff",
        b"",
    ]


def _no_such_output(spent: Document) -> Document:
    document = transfer(spent, ALICE)
    document["inputs"][0]["fulfills"]["output_index"] = 9
    return seal(document)


PALETTE = _palette()
BLOCKS = st.lists(st.lists(st.sampled_from(PALETTE), max_size=24), max_size=3)


@settings(deadline=None)
@given(blocks=BLOCKS)
def test_blocks_with_faults_of_every_kind(
    threads: ThreadPoolExecutor, blocks: list[list[bytes]]
) -> None:
    _assert_same(threads, *blocks)
