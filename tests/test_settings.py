"""Each setting has a test that shows it in force in the whole daemon, at every door it claims.

Here are those of who may come and what listens where; the others are named in `SHOWN`.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from inspect import getsource
from pathlib import Path

import pytest
import trio

from scripts import http_client
from scripts.daemon_process import Settings, run_daemon
from scripts.signing import Key, create, encode
from tests.fake_engine import FakeEngine
from tests.stub_rpc import StubRpc
from tests.test_daemon import DEADLINE, host_and_port, running, settings
from tests.websocket_peer import PATH
from trio_stream import daemon
from trio_stream.config import Address, Config
from trio_stream.node import Addresses

WEBSOCKET = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
DOORS = {
    "websocket": ("stream", PATH, WEBSOCKET),
    "events": ("api", PATH, "Accept: text/event-stream\r\n"),
    "pull": ("api", "/api/v1/events", ""),
}
LASTING = ("websocket", "events")


async def ask(
    addresses: Addresses, door: str, *, query: str = "", headers: str = ""
) -> tuple[trio.SocketStream, bytes]:
    """A subscriber's connection, and the beginning of the answer to its request."""
    name, path, more = DOORS[door]
    host, port = host_and_port(getattr(addresses, name))
    stream = await trio.open_tcp_stream(host, port)
    request = f"GET {path}{query} HTTP/1.1\r\nHost: a\r\n{more}{headers}\r\n"
    await stream.send_all(request.encode())
    return stream, bytes(await stream.receive_some())


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("first", LASTING)
@pytest.mark.parametrize(
    ("name", "status"),
    [("max_clients", b" 503 "), ("max_clients_per_address", b" 429 ")],
)
async def test_limits_of_clients(
    tmp_path: Path, name: str, status: bytes, first: str, door: str
) -> None:
    async with running(settings(tmp_path, **{name: 1})) as addresses:
        held, told = await ask(addresses, first)
        async with held:
            assert b" 101 " in told or b" 200 " in told
            late, told = await ask(addresses, door)
            await late.aclose()
            assert status in told
            assert b"retry-after: 10\r\n" in told.lower()


@pytest.mark.parametrize("door", LASTING)
async def test_trusted_proxies(tmp_path: Path, door: str) -> None:
    config = settings(
        tmp_path, max_clients_per_address=1, trusted_proxies=("127.0.0.1",)
    )
    async with running(config) as addresses:
        streams = []
        for address, good in (("1.1.1.1", True), ("2.2.2.2", True), ("1.1.1.1", False)):
            forwarded = f"X-Forwarded-For: {address}\r\n"
            stream, told = await ask(addresses, door, headers=forwarded)
            streams.append(stream)
            assert (b" 429 " not in told) == good
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("ahead", "is_served"), [(0, False), (1_000, True)])
async def test_resume_ahead(
    tmp_path: Path, door: str, ahead: int, is_served: bool
) -> None:
    async with running(settings(tmp_path, resume_ahead=ahead)) as addresses:
        stream, told = await ask(addresses, door, query="?from_height=500")
        await stream.aclose()
        assert (b'"ahead"' in told or b" 503 " in told or b"refused" in told) != (
            is_served
        )


async def test_home(tmp_path: Path) -> None:
    async with running(settings(tmp_path / "home")):
        assert (tmp_path / "home" / "log.db").exists()


@pytest.mark.parametrize("door", ["abci", "stream", "api"])
async def test_addresses(tmp_path: Path, door: str) -> None:
    """If another program listens there already, the daemon does not start."""
    (taken,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with taken:
        place = Address("127.0.0.1", taken.socket.getsockname()[1])
        config = settings(tmp_path)
        if door == "abci":
            config = replace(config, abci=f"tcp://{place}")
        elif door == "stream":
            config = replace(config, stream=place)
        else:
            config = replace(config, api=place)
        with pytest.raises(OSError, match=f"{place}: Address already in use"):
            await daemon.run(config)


async def test_node(tmp_path: Path) -> None:
    body = encode(create(Key.from_seed(b"\x01" * 32)))
    async with StubRpc().serving() as rpc:
        async with running(settings(tmp_path, node=rpc.url)) as addresses:
            host, port = host_and_port(addresses.api)
            path = "/api/v1/transactions"
            answer = await http_client.fetch(host, port, "POST", path, body)
        assert answer.status == 202
        assert len(rpc.calls) == 1


async def test_advertised(tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        advertised_scheme="wss",
        advertised_host="node.example",
        advertised_port=443,
    )
    async with running(config) as addresses:
        host, port = host_and_port(addresses.api)
        for path in ("/", "/api/v1/"):
            answer = await http_client.fetch(host, port, "GET", path)
            assert b'"wss://node.example:443/api/v1/streams/' in answer.body


async def test_log_level(tmp_path: Path) -> None:
    """At debug there is a line for each message."""
    with trio.fail_after(DEADLINE):
        arguments = ["--log-level", "debug"]
        process = Settings(home=tmp_path / "home", arguments=arguments)
        async with run_daemon(process) as running_daemon:
            place = host_and_port(running_daemon.abci)
            async with FakeEngine(
                "C38", partial(trio.open_tcp_stream, *place)
            ) as engine:
                await engine.handshake()
            assert await running_daemon.stop() == 0
            lines = running_daemon.log.read_text().splitlines()
    for message in ("Info", "InitChain"):
        assert any(" DEBUG " in x and x.endswith(f": {message}") for x in lines)


SHOWN = {
    "home": ["settings.test_home"],
    "stream": ["settings.test_addresses"],
    "api": ["settings.test_addresses"],
    "log_level": ["settings.test_log_level"],
    "log_format": ["settings_observed.test_log_format"],
    "advertised_scheme": ["settings.test_advertised"],
    "advertised_host": ["settings.test_advertised"],
    "advertised_port": ["settings.test_advertised"],
    "tls_certificate": ["settings_clients.test_tls_certificate_and_tls_key"],
    "tls_key": ["settings_clients.test_tls_certificate_and_tls_key"],
    "tls_client_ca": ["settings_access.test_tls_client_ca"],
    "tokens": [
        "access.test_each_request_needs_the_right_token",
        "access.test_sighup_reads_the_tokens_again",
    ],
    "allowed_origins": ["settings_access.test_allowed_origins"],
    "node_connections": ["settings_http.test_node_connections"],
    "node_timeout": ["settings_http.test_node_timeout"],
    "max_clients": ["settings.test_limits_of_clients"],
    "max_clients_per_address": ["settings.test_limits_of_clients"],
    "max_handshakes": ["settings_clients.test_max_handshakes"],
    "stream_connections_per_address": [
        "settings_access.test_stream_connections_per_address"
    ],
    "requests_per_address": ["settings_access.test_requests_per_address"],
    "post_bytes_per_address": ["settings_access.test_post_bytes_per_address"],
    "trusted_proxies": [
        "settings.test_trusted_proxies",
        "settings_http.test_http_connections_per_address",
        "settings_access.test_requests_per_address",
    ],
    "ping_interval": ["settings_clients.test_ping_interval_and_pong_timeout"],
    "pong_timeout": ["settings_clients.test_ping_interval_and_pong_timeout"],
    "stall_timeout": ["settings_clients.test_stall_timeout"],
    "handshake_timeout": ["settings_clients.test_handshake_timeout"],
    "send_buffer": ["settings_clients.test_send_buffer"],
    "tail_bytes": ["settings_clients.test_tail_bytes"],
    "resume_ahead": ["settings.test_resume_ahead"],
    "http_connections": [
        "settings_http.test_http_connections",
        "settings_http.test_subscribers_are_three_quarters_of_http_connections",
    ],
    "http_connections_per_address": ["settings_http.test_http_connections_per_address"],
    "http_keep_alive": ["settings_http.test_http_keep_alive"],
    "http_body_timeout": ["settings_http.test_http_body_timeout"],
    "http_body_rate": ["settings_http.test_http_body_rate"],
    "http_bytes_under_way": ["settings_http.test_http_bytes_under_way"],
    "max_body_bytes": ["settings_http.test_max_body_bytes"],
    "ready_engine_timeout": ["settings_observed.test_ready_engine_timeout"],
    "ready_free_bytes": ["settings_observed.test_ready_free_bytes"],
    "shutdown_http": ["settings_stop.test_shutdown_http"],
    "shutdown_stream": ["settings_stop.test_shutdown_stream"],
    "shutdown_total": [
        "settings_stop.test_shutdown_total",
        "daemon_stop.test_clients_that_read_and_send_nothing_do_not_hold_it_up",
    ],
    "abci": ["settings.test_addresses", "daemon.test_unix_socket"],
    "node": ["settings.test_node"],
    "frame_limit": [
        "settings_engine.test_frame_limit",
        "settings_engine.test_unfinished_messages_may_take_twice_the_frame_limit",
    ],
    "cache_bytes": ["settings_engine.test_cache_bytes"],
    "snapshot_interval": ["settings_engine.test_snapshot_interval_and_snapshot_keep"],
    "snapshot_keep": ["settings_engine.test_snapshot_interval_and_snapshot_keep"],
    "commit_timeout": ["settings_http.test_commit_timeout"],
    "shutdown_abci": ["settings_stop.test_shutdown_abci"],
}
"""What shows each setting in force: a file of tests, less its prefix, and a test in it."""


def test_each_setting_has_a_test() -> None:
    assert list(SHOWN) == [setting.name for setting in fields(Config)]


@pytest.mark.parametrize("name", SHOWN)
def test_the_tests_are_there_and_set_it(name: str) -> None:
    assert SHOWN[name]
    for place in SHOWN[name]:
        file, _, test = place.partition(".")
        found = getattr(import_module(f"tests.test_{file}"), test)
        source = getsource(found)
        flag = f'"--{name.replace("_", "-")}"'
        assert re.search(rf"\b{name}\b", source) or flag in source
