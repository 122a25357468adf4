"""A chain that the reference made, block by block."""

from __future__ import annotations

import json

import pytest

from tests.conftest import VECTORS
from tests.ledger.chains import Engine, MemoryStore, new_engine
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.ledger.application import Application
from trio_stream.transactions.candidate import CandidateCache

CHAIN = json.loads((VECTORS / "chain.json").read_text())

# Elections are refused so far: from the block that opens one on, hashes and codes differ.
LEFT_OUT = [
    "validator election initiated",
    "two of four votes",
    "third vote concludes: 30 of 40 >= 2/3",
    "late vote is valid and has no effect",
]


def txs_of(block):
    return [json.dumps(tx).encode() for tx in block["txs"]]


def test_only_blocks_after_the_first_election_are_left_out():
    labels = [block["label"] for block in CHAIN["blocks"]]
    assert labels[-len(LEFT_OUT) :] == LEFT_OUT


@pytest.mark.parametrize("cache_bytes", [0, 1, 1 << 20])
def test_codes_and_app_hashes_are_the_references(cache_bytes):
    engine = new_engine(cache_bytes=cache_bytes)
    genesis = [
        ValidatorUpdate("ed25519", bytes.fromhex(each["public_key_hex"]), each["power"])
        for each in CHAIN["genesis_validators"]
    ]
    answer = engine.init_chain(chain_id=CHAIN["chain_id"], validators=genesis)
    assert answer.app_hash.decode() == CHAIN["initial_app_hash"]

    for block in CHAIN["blocks"][: -len(LEFT_OUT)]:
        codes, app_hash = engine.block(*txs_of(block))
        assert codes == block["deliver_tx_codes"], block["label"]
        assert app_hash == block["commit_data_utf8"], block["label"]


def test_a_block_sent_whole_has_the_same_hashes_from_the_same_start():
    engine = new_engine(whole=True)
    engine.init_chain(app_state=b'{"rules": 1, "start_hash": "empty"}')

    for block in CHAIN["blocks"][: -len(LEFT_OUT)]:
        codes, app_hash = engine.block(*txs_of(block))
        assert codes == block["deliver_tx_codes"], block["label"]
        assert app_hash == block["commit_data_utf8"], block["label"]


def test_elections_are_refused_by_name():
    engine = new_engine()
    election = CHAIN["blocks"][-len(LEFT_OUT)]
    results, _ = engine.deliver(*txs_of(election))
    assert [result.code for result in results] == [1]
    assert results[0].log.startswith("OperationNotSupported: ")


@pytest.mark.parametrize("whole", [False, True])
def test_refusals_that_the_reference_does_not_make_are_warned_of(whole):
    warnings: list[str] = []
    store = MemoryStore()
    application = Application(
        store, CandidateCache(0), version="0", warn=warnings.append
    )
    engine = Engine(application, store, whole=whole)
    engine.init_chain()
    election = txs_of(CHAIN["blocks"][-len(LEFT_OUT)])
    engine.block(b"{")
    engine.deliver(*election)
    assert warnings == []  # nothing that is not durable
    engine.block(*election, *election)
    (warning,) = warnings
    assert "block 2 has transactions that are refused here" in warning
    assert "(OperationNotSupported)" in warning


def test_an_application_goes_on_where_its_store_stands():
    engine = new_engine()
    for block in CHAIN["blocks"][:3]:
        engine.block(*txs_of(block))
    store = engine.store

    engine.application = Application(store, CandidateCache(0), version="0")

    assert engine.application.height == 3
    for block in CHAIN["blocks"][3 : -len(LEFT_OUT)]:
        _, app_hash = engine.block(*txs_of(block))
        assert app_hash == block["commit_data_utf8"], block["label"]


def test_app_hashes_recorded_from_a_running_node_are_reproduced():
    steps = json.loads((VECTORS / "golden_http.json").read_text())["steps"]
    hashed = [step for step in steps if "app_hash" in step]
    *ours, election = hashed
    assert "elections" in election["tags"]
    assert len(ours) > 20
    engine = new_engine()
    for step in ours:
        # The HTTP door sends on what it has parsed, written anew.
        tx = json.dumps(json.loads(step["request"]["body"])).encode()
        assert engine.block(tx) == ([0], step["app_hash"]), step["name"]
