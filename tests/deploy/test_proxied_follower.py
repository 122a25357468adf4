"""The recipes for proxies serve a follower as they are, the engine's JSON-RPC included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trio_websocket import open_websocket_url

from tests.deploy.proxying import BOTH, Make, in_front
from tests.deploy.recipes import FOLDER
from tests.follow_daemon import following, reaches, serving, settings
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from trio_stream.client import open_stream
from trio_stream.config import load_follow

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("make", BOTH)
async def test_a_follower_is_served_by_the_same_proxy(
    make: Make, tmp_path: Path
) -> None:
    printed = load_follow({}, {}, file=FOLDER / "follow.toml").config
    node = FakeNode(MadeChain(4))
    async with serving(node) as urls:
        config = settings(
            tmp_path,
            *urls,
            trusted_proxies=printed.trusted_proxies,
            advertised_scheme=printed.advertised_scheme,
            advertised_host=printed.advertised_host,
            advertised_port=printed.advertised_port,
        )
        async with (
            following(config) as addresses,
            in_front(make, tmp_path, addresses) as front,
        ):
            await reaches(addresses, 4)
            url = front.address + "/websocket"
            async with open_websocket_url(url, ssl_context=front.tls) as socket:
                params = {"query": "tm.event='NewBlockHeader'"}
                call = {"jsonrpc": "2.0", "id": 1, "method": "subscribe"}
                await socket.send_message(json.dumps({**call, "params": params}))
                assert json.loads(await socket.get_message())["result"] == {}
                node.chain.grow()
                told = json.loads(await socket.get_message())
                header = told["result"]["data"]["value"]["header"]
                assert header == node.chain.blocks[5]["block"]["header"]
            async with open_stream(
                f"{front.address}/api/v1/streams/blocks",
                after="earliest",
                until="tip",
                ssl_context=front.tls,
            ) as events:
                assert [each["height"] async for each in events] == [1, 2, 3, 4, 5]
            params = {"height": "3"}
            block = {**call, "method": "block", "params": params}
            answer = await front.request("POST /", json.dumps(block).encode())
            body = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert body["result"] == node.chain.blocks[3]
            index = await front.request("GET /api/v1/")
            assert b'"wss://node.example.com:443/api/v1/streams/' in index
