"""nginx and Caddy in front of the daemon, set up as the manual says: one host name, one port."""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from trio_websocket import open_websocket_url

from scripts.signing import Key, create, encode
from tests.deploy.proxying import (
    BOTH,
    Front,
    Make,
    in_front,
    needs_nginx,
    nginx,
)
from tests.deploy.recipes import recipe
from tests.test_daemon import engine_at, running, settings
from tests.websocket_peer import UPGRADE, request
from trio_stream.client import open_stream
from trio_stream.node import Addresses

pytestmark = pytest.mark.slow

ALICE = Key.from_seed(b"\x01" * 32)
STREAM = "/api/v1/streams/valid_transactions"
TOKEN = "a-token-of-more-than-22-characters"


@asynccontextmanager
async def behind(
    make: Make, folder: Path, **more: object
) -> AsyncIterator[tuple[Front, Addresses]]:
    """The daemon with the printed settings, and the proxy in front of it."""
    printed = tomllib.loads(recipe("node.toml"))
    config = settings(
        folder / "home",
        trusted_proxies=tuple(printed["trusted_proxies"]),
        advertised_scheme=printed["advertised_scheme"],
        advertised_host=printed["advertised_host"],
        advertised_port=printed["advertised_port"],
        **more,
    )
    async with running(config) as addresses, in_front(make, folder, addresses) as front:
        yield front, addresses


@pytest.mark.parametrize("make", BOTH)
async def test_a_websocket_gets_events_through_the_proxy(
    make: Make, tmp_path: Path
) -> None:
    document = create(ALICE)
    async with behind(make, tmp_path) as (front, addresses):
        url = front.address + STREAM
        async with (
            open_websocket_url(url, ssl_context=front.tls) as stream,
            engine_at(addresses, "C38") as engine,
        ):
            await engine.handshake()
            await engine.block(encode(document))
            event = json.loads(await stream.get_message())
            assert event["transaction_id"] == document["id"]


@pytest.mark.parametrize("make", BOTH)
async def test_the_client_gets_events_through_the_proxy(
    make: Make, tmp_path: Path
) -> None:
    document = create(ALICE)
    async with behind(make, tmp_path) as (front, addresses):
        async with engine_at(addresses, "C38") as engine:
            await engine.handshake()
            await engine.block(encode(document))
            client = open_stream(
                front.address, after="earliest", until="tip", ssl_context=front.tls
            )
            async with client as events:
                found = [event["transaction_id"] async for event in events]
    assert found == [document["id"]]


@pytest.mark.parametrize("make", BOTH)
async def test_server_sent_events_are_not_held_back(make: Make, tmp_path: Path) -> None:
    documents = [create(ALICE, data={"n": n}) for n in range(3)]
    async with (
        behind(make, tmp_path) as (front, addresses),
        await front.connect() as stream,
        engine_at(addresses, "C38") as engine,
    ):
        await engine.handshake()
        head = f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        await stream.send_all(head.encode())
        data = await stream.receive_some()
        assert data.startswith(b"HTTP/1.1 200 ")
        for document in documents:
            await engine.block(encode(document))
            # The stream goes on, so what comes now was not waited for.
            while str(document["id"]).encode() not in data:
                more = await stream.receive_some()
                assert more, data
                data += more


@pytest.mark.parametrize("make", BOTH)
async def test_requests_are_answered_by_the_daemon(make: Make, tmp_path: Path) -> None:
    async with behind(make, tmp_path) as (front, _):
        index = (await front.request("GET /api/v1/")).partition(b"\r\n\r\n")[2]
        assert b"wss://node.example.com:443/api/v1/streams/valid_transactions" in index
        # Beyond what an engine accepts, and beyond what nginx accepts by default. More than that
        # is refused before it has come, which a client sees if the proxy reads it first.
        sizes = {1_000: b" 400 ", 900_000: b" 413 ", 1_500_000: b" 413 "}
        if make is nginx:
            sizes[3_000_000] = b" 413 "
        for size, status in sizes.items():
            answer = await front.request("POST /api/v1/transactions", b"x" * size)
            line, _, rest = answer.partition(b"\r\n")
            assert status in line, answer[:300]
            assert b"application/json" in rest.lower()
        ready = await front.request("GET /health/live")
        assert b" 200 " in ready.partition(b"\r\n")[0]


@pytest.mark.parametrize("make", BOTH)
async def test_addresses_are_those_of_the_clients(make: Make, tmp_path: Path) -> None:
    """nginx names the address it was called from after those that it was given; Caddy drops them.

    All clients are on this machine, whose address is trusted. So the one that nginx was given
    counts, while for Caddy all are the same.
    """
    async with behind(make, tmp_path, max_clients_per_address=1) as (front, _):

        async def subscribes(forwarded: str) -> bool:
            stream = await stack.enter_async_context(await front.connect())
            head = request(headers={**UPGRADE, "X-Forwarded-For": forwarded})
            await stream.send_all(head)
            status = (await stream.receive_some()).split(b" ")[1]
            assert status in (b"101", b"429")
            return status == b"101"

        async with AsyncExitStack() as stack:
            assert await subscribes("203.0.113.1")
            assert not await subscribes("203.0.113.1")
            assert await subscribes("203.0.113.2") == (make is nginx)


@pytest.mark.parametrize("make", BOTH)
async def test_tokens_and_origins_pass_the_proxy(make: Make, tmp_path: Path) -> None:
    """A page of this very host may subscribe with a token; one of another host may not."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nname = "page"\ntoken = "{TOKEN}"\nmay = ["read"]\n')
    tokens.chmod(0o600)
    coded = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")
    async with behind(make, tmp_path, tokens=tokens) as (front, _):

        async def status(origin: str, protocols: str) -> bytes:
            more = {"Host": f"localhost:{front.port}", "Origin": origin}
            if protocols:
                more["Sec-WebSocket-Protocol"] = protocols
            async with await front.connect() as stream:
                await stream.send_all(request(headers={**UPGRADE, **more}))
                return bytes(await stream.receive_some()).split(b" ")[1]

        own, bearer = f"https://localhost:{front.port}", f"trio-stream, bearer.{coded}"
        assert await status(own, bearer) == b"101"
        assert await status(own, "") == b"401"
        assert await status("https://other.example", bearer) == b"403"
        bare = await front.request("GET /api/v1/")
        assert b" 401 " in bare.partition(b"\r\n")[0]
        page = await front.request("GET /api/v1/", token=TOKEN)
        assert b" 200 " in page.partition(b"\r\n")[0]


@needs_nginx
async def test_metrics_are_for_this_machine(tmp_path: Path) -> None:
    text = recipe("nginx.conf")
    assert "location ^~ /metrics" in text
    async with behind(nginx, tmp_path) as (front, _):
        allowed = await front.request("GET /metrics")
    assert b" 403 " not in allowed.partition(b"\r\n")[0]


def nginx_elsewhere(
    folder: Path, api: int, front: int, pems: tuple[Path, Path]
) -> list[str]:
    """As if its clients were on other machines."""
    command = nginx(folder, api, front, pems)
    file = folder / "trio-stream.conf"
    file.write_text(file.read_text().replace("allow 127.0.0.1;", ""))
    return command


@needs_nginx
async def test_metrics_are_for_nobody_else_however_they_are_spelt(
    tmp_path: Path,
) -> None:
    async with behind(nginx_elsewhere, tmp_path) as (front, _):
        for path in (
            "/metrics",
            "/metrics/",
            "//metrics",
            "/%6detrics",
            "/x/../metrics",
        ):
            refused = await front.request(f"GET {path}")
            assert b" 403 " in refused.partition(b"\r\n")[0], path
        page = await front.request("GET /api/v1/")
        assert b" 200 " in page.partition(b"\r\n")[0]
