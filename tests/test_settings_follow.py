"""Each setting that only a follower has, in force in the whole daemon.

Doors are made of the same settings by the same code as a node's (`test_settings`); of those only a
few are tried here.
"""

from __future__ import annotations

import re
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import fields
from inspect import getsource
from pathlib import Path

import pytest
import trio

from scripts import http_client
from tests.follow_daemon import (
    ends,
    following,
    get,
    messages,
    reaches,
    serving,
    settings,
    status,
    until,
)
from tests.follower.chain import MadeChain
from tests.follower.fake_node import Answer, FakeNode
from tests.test_daemon import host_and_port
from tests.test_follow_daemon import subscribed
from trio_stream.config import DoorSettings, FollowConfig
from trio_stream.config.following_values import bounds
from trio_stream.config.reading import name_of
from trio_stream.follower.troubles import Unobtainable


def rows(home: Path, view: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "log.db")) as log:
        return log.execute(f"SELECT * FROM {view}").fetchall()


def instead(
    method: str, height: int, change: Callable[[Answer], None], chain: MadeChain
) -> Callable[[str, int], Answer | None]:
    """A node's answers, of which one is changed."""

    def special(asked: str, at: int) -> Answer | None:
        if (asked, at) != (method, height):
            return None
        kept = chain.blocks if method == "block" else chain.results
        result = deepcopy(kept[height])
        change(result)
        return {"result": result}

    return special


async def test_home(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(1))) as urls:
        async with following(settings(tmp_path, *urls, home=tmp_path / "here")):
            assert (tmp_path / "here" / "log.db").exists()


async def test_node(tmp_path: Path) -> None:
    """One stands in for the other."""
    first, second = FakeNode(MadeChain(4)), FakeNode(MadeChain(6))
    async with serving(first, second) as urls:
        config = settings(tmp_path, node=("http://127.0.0.1:9", *urls))
        async with following(config) as addresses:
            await reaches(addresses, 6)
            nodes = (await status(addresses))["nodes"]
            assert len(nodes) == 3
            assert second.count("block_results")


@pytest.mark.parametrize(
    ("from_", "first"), [("earliest", 3), ("tip", 6), (5, 5), (7, 7)]
)
async def test_from(tmp_path: Path, from_: str | int, first: int) -> None:
    node = FakeNode(MadeChain(6))
    node.lowest = 3
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, from_=from_)
        async with following(config) as addresses:

            async def has_begun() -> bool:
                return bool((await status(addresses))["chain_id"])

            await until(has_begun)
            node.chain.grow()
            block, *_ = await messages(addresses, "stream=blocks", 1)
            assert block["height"] == first


@pytest.mark.parametrize("allow_gaps", [False, True])
async def test_allow_gaps(tmp_path: Path, allow_gaps: bool) -> None:
    node = FakeNode(MadeChain(5))
    node.lowest = 3
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, from_=1, allow_gaps=allow_gaps)
        if not allow_gaps:
            assert isinstance(await ends(config), Unobtainable)
            return
        async with following(config) as addresses:
            await reaches(addresses, 5)
            assert (await status(addresses))["missing_blocks"] == 2


async def test_agree(tmp_path: Path) -> None:
    nodes = [FakeNode(MadeChain(5)), FakeNode(MadeChain(5))]
    nodes[1].tip = 3
    async with serving(*nodes) as urls:
        config = settings(tmp_path, *urls, from_=1, agree=2)
        async with following(config) as addresses:
            await reaches(addresses, 3)
            assert (await status(addresses))["behind"]["blocks"] == 2
            nodes[1].tip = None
            await reaches(addresses, 5)
            assert nodes[0].count("block") >= 5 and nodes[1].count("block") >= 5


@pytest.mark.parametrize(("confirm", "height"), [(0, 5), (1, 4)])
async def test_confirm(tmp_path: Path, confirm: int, height: int) -> None:
    node = FakeNode(MadeChain(5))
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, from_=1, confirm=confirm)
        async with following(config) as addresses:
            await reaches(addresses, height)
            if confirm:
                # It asks for the tip again, and still has not committed the newest block.
                asked = node.count("status")
                # The node counts.
                while node.count("status") < asked + 2:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            said = await status(addresses)
            assert (said["height"], said["behind"]["blocks"]) == (height, confirm)
            node.chain.grow()
            await reaches(addresses, height + 1)


@pytest.mark.parametrize(
    ("index_keys", "keys"),
    [
        ("flagged", {"transfer.recipient", "block.height"}),
        ("all", {"transfer.recipient", "block.height"}),
        ("none", set()),
        (("block.height",), {"block.height"}),
    ],
)
async def test_index_keys(
    tmp_path: Path, index_keys: str | tuple[str, ...], keys: set[str]
) -> None:
    async with serving(FakeNode(MadeChain(3))) as urls:
        config = settings(tmp_path, *urls, index_keys=index_keys)
        async with following(config) as addresses:
            await reaches(addresses, 3)
            assert {key for key, *_ in rows(config.home, "v1_attributes")} == keys
            # What is not in the index is found all the same.
            query = "stream=events&query=transfer.recipient%3D'tx1.0'"
            (found,) = await messages(addresses, query, 1)
            assert found["height"] == 1


async def test_keep(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(8))) as urls:
        config = settings(tmp_path, *urls, keep=bounds("2 blocks"))
        async with following(config) as addresses:

            async def is_short() -> bool:
                return bool((await status(addresses))["oldest"] == 7)

            await until(is_short)
            host, port = host_and_port(addresses.api)
            target = "/api/v1/events?stream=blocks&from_height=3"
            answer = await http_client.fetch(host, port, "GET", target)
            assert (answer.status, answer.json()["oldest"]) == (410, 7)
            blocks = await messages(addresses, "stream=blocks", 2)
            assert [each["height"] for each in blocks] == [7, 8]


async def test_rate(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(1))) as urls:
        config = settings(tmp_path, *urls, rate=7.5)
        async with following(config) as addresses:
            await reaches(addresses, 1)
            (node,) = (await status(addresses))["nodes"]
            assert node["requests_per_second"] == 7.5


@pytest.mark.parametrize(("in_flight", "least", "most"), [(1, 1, 2), (8, 4, 9)])
async def test_in_flight(tmp_path: Path, in_flight: int, least: int, most: int) -> None:
    node = FakeNode(MadeChain(300))
    node.takes = 0.05
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, in_flight=in_flight)
        async with following(config) as addresses:
            await reaches(addresses, 300)
            assert least <= node.most_busy <= most


@pytest.mark.parametrize(
    ("attributes", "key"),
    [("auto", "recipient"), ("base64", "recipient"), ("plain", "cmVjaXBpZW50")],
)
async def test_attributes(tmp_path: Path, attributes: str, key: str) -> None:
    def encode(results: Answer) -> None:
        events = results["txs_results"][0]["events"] + results["finalize_block_events"]
        for attribute in (each for event in events for each in event["attributes"]):
            for name in ("key", "value"):
                attribute[name] = b64encode(attribute[name].encode()).decode()

    node = FakeNode(chain := MadeChain(1))
    node.special = instead("block_results", 1, encode, chain)
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, attributes=attributes)
        async with following(config) as addresses:
            (found,) = await messages(addresses, "stream=transactions", 1)
            assert found["events"][0]["attributes"][0]["key"] == key


@pytest.mark.parametrize("data_hashes", [True, False])
async def test_data_hashes(tmp_path: Path, data_hashes: bool) -> None:
    def other_transaction(block: Answer) -> None:
        block["block"]["data"]["txs"] = ["AAAA"]

    node = FakeNode(chain := MadeChain(1))
    node.special = instead("block", 1, other_transaction, chain)
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, data_hashes=data_hashes)
        if data_hashes:
            assert "DataHashMismatch" in str(await ends(config))
            return
        async with following(config) as addresses:
            await reaches(addresses, 1)


@pytest.mark.parametrize("answer_bytes", [1 << 20, 4 << 20])
async def test_answer_bytes(tmp_path: Path, answer_bytes: int) -> None:
    def grow(results: Answer) -> None:
        results["txs_results"][0]["log"] = "x" * (2 << 20)

    node = FakeNode(chain := MadeChain(1))
    node.special = instead("block_results", 1, grow, chain)
    async with serving(node) as urls:
        config = settings(tmp_path, *urls, answer_bytes=answer_bytes)
        if answer_bytes == 1 << 20:
            assert "(raise answer_bytes, or --allow-gaps)" in str(await ends(config))
            return
        async with following(config) as addresses:
            await reaches(addresses, 1)


async def test_doors_have_the_settings_of_a_node_s(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        '[[token]]\nname = "reader"\nmay = ["read"]\n'
        'token = "yOSg3vqwpbvXPBrM7kwn1kUoI8XLzTL1vJJy1wyp2Fc"\n'
    )
    given = {"tokens": tokens, "advertised_host": "example.org"}
    async with serving(FakeNode(MadeChain(1))) as urls:
        async with following(settings(tmp_path, *urls, **given)) as addresses:
            host, port = host_and_port(addresses.api)
            answer = await http_client.fetch(host, port, "GET", "/api/v1/events")
            assert answer.status == 401
    given = {"max_clients": 1, "advertised_host": "example.org"}
    async with serving(FakeNode(MadeChain(1))) as urls:
        async with following(settings(tmp_path, *urls, **given)) as addresses:
            document = await get(addresses, "/api/v1")
            assert document["streams"].startswith("ws://example.org:")
            first = await subscribed(addresses, "blocks")
            host, port = host_and_port(addresses.api)
            answer = await http_client.fetch(host, port, "GET", "/api/v1/events")
            assert answer.status == 503
            first.reset()


SHOWN = {
    "home": "test_home",
    "node": "test_node",
    "agree": "test_agree",
    "from": "test_from",
    "allow_gaps": "test_allow_gaps",
    "confirm": "test_confirm",
    "index_keys": "test_index_keys",
    "keep": "test_keep",
    "rate": "test_rate",
    "in_flight": "test_in_flight",
    "attributes": "test_attributes",
    "data_hashes": "test_data_hashes",
    "answer_bytes": "test_answer_bytes",
}
"""What shows each setting in force."""


def test_each_setting_has_a_test() -> None:
    shared = {each.name for each in fields(DoorSettings)} - {"home"}
    own = [each for each in fields(FollowConfig) if each.name not in shared]
    assert list(SHOWN) == [name_of(each) for each in own]


@pytest.mark.parametrize("name", SHOWN)
def test_the_tests_are_there_and_set_it(name: str) -> None:
    found = globals()[SHOWN[name]]
    assert re.search(rf"\b{name}_?=", getsource(found))
