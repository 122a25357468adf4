from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cometbft.recordings import (
    RELEASES,
    SDK,
    answer,
    at,
    block,
    line,
    recording,
    results,
)
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.frames import Announcement, announcements, frame
from trio_stream.cometbft.results import read_results


def announced(name: str, height: int) -> list[Announcement]:
    return list(
        announcements(
            answer(name, at("block", height, name)),
            answer(name, at("block_results", height, name)),
            block(name, height),
            results(name, height),
        )
    )


@pytest.mark.parametrize("name", RELEASES)
def test_frames_are_those_of_the_node(name: str) -> None:
    recorded = recording(name)["frames"]
    for height in {at for _, at, _ in recorded}:
        sent = [one["result"] for _, at, one in recorded if at == height]
        made = [
            frame(each, f"tm.event='{each.kind}'", tags=line(name) == (0, 31))
            for each in announced(name, height)
        ]
        for each in made:
            assert each in sent
        assert len(made) == len(sent)


def test_the_order_is_that_of_the_engine() -> None:
    kinds = [each.kind for each in announced("cometbft-0.38.26", 9)]
    assert kinds == [
        "NewBlock",
        "NewBlockHeader",
        "NewBlockEvents",
        "Tx",
        "ValidatorSetUpdates",
    ]
    kinds = [each.kind for each in announced("cometbft-0.34.33", 10)]
    assert kinds == ["NewBlock", "NewBlockHeader", "Tx", "ValidatorSetUpdates"]


@pytest.mark.parametrize("name", SDK)
def test_the_frames_of_the_sdk_have_the_same_members(name: str) -> None:
    """Its recorded frames are of other heights than the recorded bodies."""
    made = {each.kind: each for each in announced(name, SDK[name])}
    for kind in ("NewBlock", "NewBlockHeader"):
        sent = json.loads(recording(name)["frames"][f"ws_{kind}"])["result"]
        ours: Any = frame(made[kind], sent["query"])
        assert sent.keys() == ours.keys()
        assert shape(ours["data"]["value"]) == shape(sent["data"]["value"])


def shape(value: Any, *, name: str = "") -> Any:
    """The members of members, but for what differs from block to block."""
    if name in ("tx_results", "events", "data", "last_commit"):
        return name
    if isinstance(value, dict):
        inner = {key: shape(each, name=key) for key, each in value.items()}
        # An application in the engine's process tells none from empty, which nobody records.
        return {
            key: each
            for key, each in inner.items()
            if key not in ("events", "tx_results")
        }
    return type(value)


def made_of(
    results: dict[str, Any], *, protocol: str = "11", txs: int = 0
) -> Iterator[Any]:
    raw_block = {
        "block_id": {"hash": "AB"},
        "block": {
            "header": {"version": {"block": protocol}, "chain_id": "c", "height": "3"},
            "data": {"txs": ["YQ=="] * txs},
        },
    }
    raw = {"height": "3", **results}
    return announcements(raw_block, raw, read_block(raw_block), read_results(raw))


def test_what_is_empty_is_left_out_of_a_transaction_s_result() -> None:
    result = {
        "code": 5,
        "data": "",
        "log": "0",
        "info": "",
        "gas_wanted": "0",
        "gas_used": "7",
        "events": [
            {"type": "", "attributes": [{"key": "k"}]},
            {"type": "t", "attributes": []},
        ],
        "codespace": "sdk",
    }
    made = made_of({"finalize_block_events": None, "txs_results": [result] * 2}, txs=2)
    first, second = [each.value["TxResult"] for each in made if each.kind == "Tx"]
    assert first == {
        "height": "3",
        "tx": "YQ==",
        "result": {
            "code": 5,
            "log": "0",
            "gas_used": "7",
            "events": [{"attributes": [{"key": "k"}]}, {"type": "t"}],
            "codespace": "sdk",
        },
    }
    assert second == {**first, "index": 1}


def test_the_names_of_gas_up_to_0_33() -> None:
    raw = {"txs_results": [{"gasWanted": "5", "gasUsed": "6"}]}
    [made] = [each for each in made_of(raw, protocol="10", txs=1) if each.kind == "Tx"]
    assert made.value["TxResult"]["result"] == {"gas_wanted": "5", "gas_used": "6"}
    assert made.value["TxResult"]["index"] == 0


KEY = "A" * 43 + "="


@pytest.mark.parametrize(
    ("update", "address", "kind"),
    [
        (
            {"pub_key": {"type": "ed25519", "data": KEY}},
            "66687AADF862BD776C8F",
            "Ed25519",
        ),
        (
            {"pub_key": {"Sum": {"value": {"ed25519": KEY}}}},
            "66687AADF862BD776C8F",
            "Ed25519",
        ),
        (
            {"pub_key_bytes": KEY, "pub_key_type": "ed25519", "power": "3"},
            "66687AADF862BD776C8F",
            "Ed25519",
        ),
        (
            {"pub_key": {"Sum": {"value": {"secp256k1": KEY}}}},
            "B8BCB07F6344B42AB042",
            "Secp256k1",
        ),
    ],
)
def test_validators(update: dict[str, Any], address: str, kind: str) -> None:
    [made] = [
        each
        for each in made_of({"validator_updates": [update]})
        if each.kind == "ValidatorSetUpdates"
    ]
    [validator] = made.value["validator_updates"]
    assert validator["address"].startswith(address)
    assert len(validator["address"]) == 40
    assert validator["pub_key"] == {"type": f"tendermint/PubKey{kind}", "value": KEY}
    assert validator["voting_power"] == update.get("power", "0")


def test_a_machine_may_lack_the_hash_that_an_address_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str, _: bytes) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr("hashlib.new", missing)
    update = {"pub_key": {"type": "secp256k1", "data": KEY}}
    *_, made = made_of({"validator_updates": [update]})
    assert "address" not in made.value["validator_updates"][0]


def test_a_key_of_another_kind_has_no_address() -> None:
    update = {"pub_key_bytes": KEY, "pub_key_type": "other"}
    *_, made = made_of({"validator_updates": [update]})
    assert made.value["validator_updates"] == [
        {
            "pub_key": {"type": "other", "value": KEY},
            "voting_power": "0",
            "proposer_priority": "0",
        }
    ]
