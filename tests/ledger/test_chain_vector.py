"""A chain that the reference made, block by block."""

from __future__ import annotations

import base64
import json

import pytest

from scripts.signing import create, encode
from tests.conftest import VECTORS
from tests.ledger.chains import ALICE, Engine, MemoryStore, new_engine
from tests.voting import GENESIS as FOUR
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.ledger.application import Application
from trio_stream.transactions.candidate import CandidateCache

CHAIN = json.loads((VECTORS / "chain.json").read_text())

GENESIS = [
    ValidatorUpdate("ed25519", bytes.fromhex(each["public_key_hex"]), each["power"])
    for each in CHAIN["genesis_validators"]
]


def txs_of(block):
    return [json.dumps(tx).encode() for tx in block["txs"]]


def updates_of(block):
    return [
        ValidatorUpdate(
            each["type"], bytes.fromhex(each["public_key_hex"]), each["power"]
        )
        for each in block["validator_updates"]
    ]


def newest_set(store):
    """The newest record, as the vector shows it."""
    height = max(store.sets)
    validators = [
        {
            "public_key": {
                "type": "ed25519-base64",
                "value": base64.b64encode(each.key).decode(),
            },
            "voting_power": each.power,
        }
        for each in store.sets[height]
    ]
    return {"height": height, "validators": validators}


@pytest.mark.parametrize("cache_bytes", [0, 1, 1 << 20])
def test_codes_and_app_hashes_are_the_references(cache_bytes):
    engine = new_engine(cache_bytes=cache_bytes)
    answer = engine.init_chain(chain_id=CHAIN["chain_id"], validators=GENESIS)
    assert answer.app_hash.decode() == CHAIN["initial_app_hash"]

    for block in CHAIN["blocks"]:
        codes, app_hash = engine.block(*txs_of(block))
        assert codes == block["deliver_tx_codes"], block["label"]
        assert app_hash == block["commit_data_utf8"], block["label"]
        assert engine.updates == updates_of(block), block["label"]
        assert newest_set(engine.memory) == block["validators_latest_record"]


def test_a_block_sent_whole_has_the_same_hashes_from_the_same_start():
    engine = new_engine(whole=True)
    engine.init_chain(
        app_state=b'{"rules": 1, "start_hash": "empty"}', validators=GENESIS
    )

    for block in CHAIN["blocks"]:
        codes, app_hash = engine.block(*txs_of(block))
        assert codes == block["deliver_tx_codes"], block["label"]
        assert app_hash == block["commit_data_utf8"], block["label"]
        assert engine.updates == updates_of(block), block["label"]
        assert newest_set(engine.memory) == block["validators_latest_record"]


@pytest.mark.parametrize("whole", [False, True])
def test_refusals_that_the_reference_does_not_make_are_warned_of(whole):
    warnings: list[str] = []
    store = MemoryStore()
    application = Application(
        store, CandidateCache(0), version="0", warn=warnings.append
    )
    engine = Engine(application, store, whole=whole)
    engine.init_chain(validators=FOUR)
    fatal = encode(create(ALICE, data={"n": 2**63}))
    engine.block(b"{")
    engine.deliver(fatal)
    assert warnings == []  # nothing that is not durable
    engine.block(fatal, fatal)
    (warning,) = warnings
    assert "block 2 has transactions that are refused here" in warning
    assert "(IntegerOutOfRange)" in warning


def test_an_application_goes_on_where_its_store_stands():
    engine = new_engine()
    engine.init_chain(validators=GENESIS)
    for block in CHAIN["blocks"][:3]:
        engine.block(*txs_of(block))
    store = engine.store

    engine.application = Application(store, CandidateCache(0), version="0")

    assert engine.application.height == 3
    for block in CHAIN["blocks"][3:]:
        _, app_hash = engine.block(*txs_of(block))
        assert app_hash == block["commit_data_utf8"], block["label"]


def test_app_hashes_recorded_from_a_running_node_are_reproduced():
    recorded = json.loads((VECTORS / "golden_http.json").read_text())
    hashed = [step for step in recorded["steps"] if "app_hash" in step]
    assert "elections" in hashed[-1]["tags"]
    assert len(hashed) > 20
    engine = new_engine()
    engine.init_chain(
        validators=[
            ValidatorUpdate(
                "ed25519",
                base64.b64decode(each["public_key"]["value"]),
                each["voting_power"],
            )
            for each in recorded["requires"]["validators"]
        ]
    )
    for step in hashed:
        # The HTTP door sends on what it has parsed, written anew.
        tx = json.dumps(json.loads(step["request"]["body"])).encode()
        assert engine.block(tx) == ([0], step["app_hash"]), step["name"]
