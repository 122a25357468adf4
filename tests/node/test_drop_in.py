"""A follower serves programs that speak the engine's JSON-RPC, at both of its ports."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import trio
from trio_websocket import open_websocket_url

from scripts import http_client
from tests.follow_daemon import following, get, reaches, serving, settings
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.test_daemon import host_and_port
from tests.websocket_peer import request
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.node.drop_in import WEBSOCKET, open_drop_in
from trio_stream.stream.frames import close_frame

QUERY = "tm.event='NewBlock'"


async def test_one_address_is_enough(tmp_path: Path) -> None:
    fake = FakeNode(MadeChain(3))
    async with serving(fake) as urls, following(settings(tmp_path, *urls)) as at:
        await reaches(at, 3)
        host, port = host_and_port(at.api)
        for place in (at.api, at.stream):
            url = f"ws://{':'.join(map(str, host_and_port(place)))}{WEBSOCKET}"
            async with open_websocket_url(url) as client:
                asked = {"query": QUERY, "after": "1"}
                call = {"jsonrpc": "2.0", "id": 7, "method": "subscribe"}
                await client.send_message(json.dumps({**call, "params": asked}))
                answer = json.loads(await client.get_message())
                assert answer == {"jsonrpc": "2.0", "id": 7, "result": {}}
                for height in ("2", "3"):
                    told = json.loads(await client.get_message())
                    value = told["result"]["data"]["value"]
                    assert value["block"]["header"]["height"] == height
                    assert value["block"] == fake.chain.blocks[int(height)]["block"]
                await client.send_message(
                    json.dumps({**call, "id": 8, "method": "status", "params": {}})
                )
                answer = json.loads(await client.get_message())
                assert answer["result"] == fake.status()
        body = json.dumps({"id": 9, "method": "block", "params": {"height": "2"}})
        posted = await http_client.fetch(host, port, "POST", "/", body.encode())
        assert posted.json()["result"] == fake.chain.blocks[2]
        assert (await get(at, "/"))["api"]["v1"]["json_rpc"] == "/"
        metrics = await http_client.fetch(host, port, "GET", "/metrics")
        assert b"trio_stream_json_rpc_frames_total 4.0" in metrics.body


async def test_clients_are_told_the_end(tmp_path: Path) -> None:
    said = bytearray()
    opened = trio.Event()

    async def listen(port: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(request(target=WEBSOCKET))
            async for data in client:
                said.extend(data)
                opened.set()

    async with serving(FakeNode(MadeChain(3))) as urls, trio.open_nursery() as nursery:
        async with following(settings(tmp_path, *urls)) as at:
            port = host_and_port(at.stream)[1]
            nursery.start_soon(listen, port)  # noqa: ASYNC111  # a number outlives all
            await opened.wait()
    head, _, frames = bytes(said).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames == close_frame(1001)


@pytest.mark.parametrize("rate", [None, 3.0])
async def test_calls_have_a_rate(tmp_path: Path, rate: float | None) -> None:
    with FollowedLog.open(tmp_path) as log:
        reader = FollowedReader(log.path)
        urls = ("http://[::1]:1", "http://b")
        nodes = [Node(url, NodeSettings(rate=rate)) for url in urls]
        made = open_drop_in(settings(tmp_path, *urls, rate=rate), reader, nodes)
        assert made.passing.waiting == 0
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(made.run, stop=stop))
            stop.set()
        await reader.aclose()
