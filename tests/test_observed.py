"""What the whole daemon says about itself."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families
from trio_websocket import open_websocket_url

from scripts import http_client
from scripts.signing import Key, create, encode
from tests import manual
from tests.stub_rpc import StubRpc
from tests.test_daemon import engine_at, host_and_port, running, settings
from trio_stream.node import Addresses

STATUS = {
    "result": {
        "node_info": {"version": "0.38.26"},
        "sync_info": {"latest_block_height": "3", "catching_up": True},
    }
}


async def fetch(addresses: Addresses, path: str) -> http_client.Response:
    return await http_client.fetch(*host_and_port(addresses.api), "GET", path)


async def status(addresses: Addresses) -> Any:
    return (await fetch(addresses, "/api/v1/status")).json()


def _shape(value: Any) -> Any:
    """The names and types of a document."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    return type(value)


async def test_the_state_of_a_node_from_its_start_to_its_first_block(
    tmp_path: Path,
) -> None:
    async with StubRpc().serving() as rpc:
        rpc.answers += [STATUS] * 100
        async with running(settings(tmp_path, node=rpc.url)) as addresses:
            state = await status(addresses)
            assert (state["chain_id"], state["height"]) == (None, 0)
            assert state["engine"] == {
                "connected": False,
                "height": 3,
                "catching_up": True,
                "dialect": None,
                "version": "0.38.26",
            }
            async with (
                open_websocket_url(addresses.stream) as stream,
                engine_at(addresses, "C38") as engine,
            ):
                await engine.handshake()
                await engine.block(encode(create(Key.from_seed(b"\1" * 32))))
                await stream.get_message()
                state = await status(addresses)
            (shown,) = (each for each in manual.blocks("json") if '"engine"' in each)
            assert _shape(state) == _shape(json.loads(shown))
            assert state["chain_id"] == "test-chain"
            assert state["height"] == 1
            assert state["block_time"].startswith("2020-01-01T00:00:0")
            assert state["engine"]["connected"]
            assert state["engine"]["dialect"] == "C38"
            assert state["subscribers"] == {"websocket": 1, "sse": 0, "poll": 0}
            with trio.fail_after(60):
                while (await status(addresses))["engine"]["connected"]:
                    pass


async def test_lines_about_connections_blocks_and_refusals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key = Key.from_seed(b"\1" * 32)
    async with running(settings(tmp_path)) as addresses:
        async with (
            open_websocket_url(addresses.stream) as stream,
            engine_at(addresses, "C38") as engine,
        ):
            await engine.handshake()
            opened = [each for each in caplog.messages if " opened " in each]
            for _ in range(10):
                await engine.info()  # as a health check does through an engine
            # Its first line says what the connection speaks.
            assert sum(" speaks " in each for each in caplog.messages) == 1
            await engine.block(b"nonsense", *[encode(create(key))] * 25)
            await stream.get_message()
        host, port = host_and_port(addresses.api)
        async with await trio.open_tcp_stream(host, port) as events:
            request = "GET /api/v1/streams/valid_transactions HTTP/1.1\r\nHost: a\r\n"
            await events.send_all(
                f"{request}Accept: text/event-stream\r\n\r\n".encode()
            )
            assert await events.receive_some()
        with trio.fail_after(60):
            # No event says what a log holds.
            while "127.0.0.1: sse ended" not in caplog.messages:  # noqa: ASYNC110
                await trio.sleep(0.01)
    said = caplog.messages
    assert len(opened) == 4
    assert "height 1 is committed" in said
    (nonsense,) = (each for each in said if each.startswith("transaction 0 of block 1"))
    assert " was refused: MalformedTransaction: " in nonsense
    assert sum(" was refused: DuplicateTransaction: " in each for each in said) == 19
    assert "5 more transactions of block 1 were refused" in said
    assert "127.0.0.1: subscribed" in said
    assert "127.0.0.1: closed by the client: 1000" in said
    assert "127.0.0.1: subscribed by sse" in said


def _names(text: bytes) -> set[str]:
    families = text_string_to_metric_families(text.decode())
    return {
        f"{each.name}_total" if each.type == "counter" else each.name
        for each in families
    }


async def test_a_scrape_has_the_metrics_of_the_manual(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as addresses:
        async with engine_at(addresses, "C38") as engine:
            await engine.handshake()
            await engine.block(b"nonsense")
            (scrape,) = manual.blocks("yaml")
            assert 'targets: ["localhost:9984"]' in scrape
            answer = await fetch(addresses, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    listed = re.findall(
        r"^\| `([a-z_]+)(?:\{.*?\})?` \| (?:gauge|counter|histogram) \|",
        manual.PAGES["monitoring"].partition("| metric of a follower |")[0],
        re.MULTILINE,
    )
    assert _names(answer.body) == {*listed}
    lines = answer.body.decode().splitlines()
    assert "trio_stream_block_height 1.0" in lines
    assert "trio_stream_engine_connected 1.0" in lines
    refused = 'refused_transactions_total{by="block",error="MalformedTransaction"} 1.0'
    assert f"trio_stream_{refused}" in lines
    assert 'trio_stream_state_machine_seconds_count{work="commit"} 1.0' in lines
