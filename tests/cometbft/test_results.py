from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cometbft.recordings import (
    CORRUPT,
    LEGACY,
    RELEASES,
    SDK,
    answer,
    block,
    busy,
    line,
    recording,
    results,
)
from trio_stream.cometbft.errors import Malformed
from trio_stream.cometbft.events import Attribute, Event, Spelling
from trio_stream.cometbft.results import TxResult, read_results

SDK_46, SDK_50 = SDK


def app_event(release: str, creator: str, key: str) -> Event:
    """What the built-in key-value store says of a key or a value."""
    attributes = [Attribute("creator", creator, True), Attribute("key", key, True)]
    if line(release) <= (0, 33):
        attributes = [each._replace(indexed=False) for each in attributes]
    else:
        attributes += [
            Attribute("index_key", "index is working", True),
            Attribute("noindex_key", "index is working", False),
        ]
    return Event("app", tuple(attributes))


@pytest.mark.parametrize("release", [name for name in RELEASES if line(name) > (0, 31)])
def test_what_the_key_value_store_of_each_release_did(release: str) -> None:
    height = busy(release)
    found = results(release, height)
    old = line(release) <= (0, 33)
    for tx, result in zip(block(release, height).txs, found.txs, strict=True):
        key, value = tx.decode().split("=")
        events = [app_event(release, "Cosmoshi Netowoko", key)]
        if not old and release != "tendermint-0.34.24":
            events.append(app_event(release, "Cosmoshi", value))
        assert result == TxResult(0, b"", "", "", 0, 0, "", tuple(events))
    assert found.height == height
    assert list(found.block_events()) == []


def test_what_0_31_has_for_events() -> None:
    release = "tendermint-0.31.12"
    height = busy(release)
    for tx, result in zip(
        block(release, height).txs, results(release, height).txs, strict=True
    ):
        creator = Attribute("creator", "Cosmoshi Netowoko", False)
        key = Attribute("key", tx.decode().split("=")[0], False)
        events = (Event("app", (creator,)), Event("app", (key,)))
        assert result == TxResult(0, b"", "", "", 0, 0, "", events)
    refused = results(release, 10).txs[0]
    assert (refused.code, refused.log[:6]) == (1, "Pubkey")


def test_a_result_may_be_null_up_to_0_33() -> None:
    for release in ("tendermint-0.32.14", "tendermint-0.33.9"):
        assert results(release, 10).txs == (TxResult(0, b"", "", "", 0, 0, "", ()),)


def test_a_transfer_of_the_sdk() -> None:
    transfers = {}
    for name, height in SDK.items():
        found = results(name, height)
        [result] = found.txs
        assert (result.code, result.gas_wanted, result.codespace) == (0, 200_000, "")
        assert (result.gas_used > 50_000, len(result.data) > 30) == (True, True)
        transfers[name] = [
            [value for _, value, _ in event.attributes][2]
            for event in result.events
            if event.type == "transfer"
        ]
    assert transfers == {name: ["10stake", "7stake,3uatom"] for name in SDK}
    assert len(results(SDK_46, 9).txs[0].events) == 13
    assert len(results(SDK_50, 28).txs[0].events) == 12
    assert results(SDK_46, 9).txs[0].log.startswith('[{"msg_index":0,')


def test_where_the_events_of_a_block_come_from() -> None:
    old = results(SDK_46, 9)
    assert {phase for phase, _ in old.block_events()} == {"begin"}
    assert [event for _, event in old.block_events()] == list(old.begin_events)
    new = results(SDK_50, 28)
    phases = [phase for phase, _ in new.block_events()]
    assert set(phases) == {"begin"}
    assert len(phases) == len(new.finalize_events) > 10
    made = read_results(
        {
            "height": "1",
            "begin_block_events": [{"type": "a"}],
            "end_block_events": [{"type": "d"}],
            "finalize_block_events": [
                {"type": "b", "attributes": [{"key": "mode", "value": "other"}]},
                {"type": "c", "attributes": [{"key": "mode", "value": "EndBlock"}]},
            ],
        }
    )
    assert [(phase, event.type) for phase, event in made.block_events()] == [
        ("begin", "a"),
        ("finalize", "b"),
        ("end", "c"),
        ("end", "d"),
    ]


def test_a_record_that_an_upgraded_node_serves() -> None:
    old, new = results(SDK_46, 9), read_results(answer(SDK_46, LEGACY))
    assert new.txs == old.txs
    assert (new.app_hash, new.begin_events) == (None, ())
    mode = Attribute("mode", "BeginBlock", False)
    assert new.finalize_events == tuple(
        event._replace(attributes=(*event.attributes, mode))
        for event in old.begin_events
    )
    assert (old.spelling, new.spelling) == (Spelling.BASE64, Spelling.PLAIN)
    assert [phase for phase, _ in new.block_events()] == ["begin"] * len(
        old.begin_events
    )


def test_a_misread_record_looks_like_one() -> None:
    assert read_results(answer(SDK_46, CORRUPT)).looks_misread
    assert not read_results(answer(SDK_46, LEGACY)).looks_misread
    for name in (*RELEASES, *SDK):
        assert not results(name, busy(name)).looks_misread


def test_the_hash_of_the_application() -> None:
    following = block(SDK_50, 29).header
    assert results(SDK_50, 28).app_hash == following.app_hash
    assert results(SDK_46, 9).app_hash is None
    assert read_results({"height": "1", "app_hash": ""}).app_hash is None


def test_what_decides_the_spelling() -> None:
    keyless: dict[str, Any] = {"height": "1"}
    finalize: dict[str, Any] = {"height": "1", "finalize_block_events": None}
    assert read_results(keyless).spelling is Spelling.BASE64
    assert read_results(finalize).spelling is Spelling.PLAIN
    for last in Spelling:
        assert read_results(keyless, last=last).spelling is last
        assert (
            read_results(keyless, last=last, forced=Spelling.PLAIN).spelling
            is Spelling.PLAIN
        )
    plain = {"height": "1", "end_block_events": [{"attributes": [{"key": "sender"}]}]}
    assert read_results(plain, last=Spelling.BASE64).spelling is Spelling.PLAIN


def test_the_shape_that_sei_has() -> None:
    """Base64 under the newer names, null values, and fields left out where they are empty."""
    event = {
        "type": "tx",
        "attributes": [{"key": "c2VuZGVy", "value": None, "index": True}],
    }
    made = read_results(
        {
            "height": "5",
            "txs_results": [
                {"data": "YQ==", "log": "", "events": [event]},
                {"code": 3},
            ],
            "finalize_block_events": [event],
            "total_gas_used": "7",
        }
    )
    decoded = Event("tx", (Attribute("sender", "", True),))
    assert made.txs[0] == TxResult(0, b"a", "", "", 0, 0, "", (decoded,))
    assert (made.txs[1].code, made.finalize_events) == (3, (decoded,))


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"height": "x"},
        {"height": "0"},
        {"txs_results": {}},
        {"txs_results": ["text"]},
        {"txs_results": [{"code": "x"}]},
        {"txs_results": [{"data": "?"}]},
        {"txs_results": [{"events": [{"attributes": 1}]}]},
        {"txs_results": [{"gas_used": 1.5}]},
        {"txs_results": [{"log": 1}]},
        {"results": "x"},
        {"begin_block_events": {}},
        {"app_hash": 1},
    ],
)
def test_what_is_malformed(raw: Any) -> None:
    with pytest.raises(Malformed):
        read_results({"height": "1", **raw} if raw else raw)


def test_recorded_bodies_are_whole() -> None:
    assert all(json.loads(recording(name)["bodies"]["status"]) for name in RELEASES)
