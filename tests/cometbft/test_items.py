from __future__ import annotations

import pytest

from tests.cometbft.recordings import (
    RELEASES,
    SDK,
    block,
    busy,
    line,
    recording,
    results,
)
from trio_stream.cometbft.events import Attribute, Event
from trio_stream.cometbft.items import (
    Item,
    bare_item,
    block_item,
    flattened,
    pairs,
    tx_item,
)

EVENTS = (
    Event("a", (Attribute("k", "1", True), Attribute("", "none", True))),
    Event("", (Attribute("k", "none", True),)),
    Event("a", (Attribute("k", "2", False),)),
    Event("b", ()),
)


def test_events_are_flattened_as_in_the_engine() -> None:
    item = Item(EVENTS, (("tm.event", "Tx"), ("a.k", "3")))
    assert list(pairs(item)) == [
        ("a.k", "1"),
        ("a.k", "2"),
        ("tm.event", "Tx"),
        ("a.k", "3"),
    ]
    assert flattened(item) == {"a.k": ["1", "2", "3"], "tm.event": ["Tx"]}


@pytest.mark.parametrize("name", [name for name in RELEASES if line(name) > (0, 31)])
def test_a_transaction_is_flattened_as_its_node_does(name: str) -> None:
    height = busy(name)
    frames = [
        frame["result"]["events"]
        for kind, at, frame in recording(name)["frames"]
        if (kind, at) == ("Tx", height)
    ]
    this, what = block(name, height), results(name, height)
    items = [tx_item(this, what, index) for index in range(len(this.txs))]
    assert sorted(map(str, (flattened(item) for item in items))) == sorted(
        str({key: each[key] for key in flattened(items[0])}) for each in frames
    )


def test_a_block_is_flattened_as_its_node_does() -> None:
    for name, height in SDK.items():
        found = flattened(block_item(results(name, height)))
        assert found.pop("tm.event") == ["NewBlock"]
        assert found["mint.amount"][0].isdigit()
        assert "transfer.recipient" in found


def test_an_item_without_events() -> None:
    assert flattened(bare_item("ValidatorSetUpdates")) == {
        "tm.event": ["ValidatorSetUpdates"]
    }
