"""nginx and Caddy in front of the daemon, set up as the manual says: one host name, one port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from trio_websocket import open_websocket_url

from scripts import child
from scripts.certificate import write_certificate
from scripts.engines.home import free_ports
from scripts.signing import Key, create, encode
from tests.deploy.recipes import changed, recipe
from tests.test_daemon import engine_at, running, settings
from tests.websocket_peer import UPGRADE, request
from trio_stream.client import open_stream
from trio_stream.node import Addresses

pytestmark = pytest.mark.slow

ALICE = Key.from_seed(b"\x01" * 32)
STREAM = "/api/v1/streams/valid_transactions"
DEADLINE = 120
TOKEN = "a-token-of-more-than-22-characters"

NGINX = shutil.which("nginx")
CADDY = os.environ.get("CADDY") or shutil.which("caddy")

AROUND_NGINX = """\
daemon off;
user root;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/trio-stream.conf;
}}
"""
AROUND_CADDY = """\
{
    admin off
    auto_https disable_redirects
}
"""


class Front:
    """A proxy that runs, as its clients see it."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self.tls = ssl.create_default_context(cafile=certificate)

    @property
    def address(self) -> str:
        return f"wss://localhost:{self.port}"

    async def connect(self) -> trio.SSLStream[trio.SocketStream]:
        stream = trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", self.port),
            self.tls,
            server_hostname="localhost",
            https_compatible=True,
        )
        await stream.do_handshake()
        return stream

    async def request(self, head: str, body: bytes = b"", *, token: str = "") -> bytes:
        """The whole answer, whose end is that of the connection."""
        stream = await self.connect()
        async with stream:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            bearer = f"Authorization: Bearer {token}\r\n" if token else ""
            lines = f"Host: localhost\r\nConnection: close\r\n{length}{bearer}"
            text = f"{head} HTTP/1.1\r\n{lines}\r\n"
            await stream.send_all(text.encode() + body)
            return b"".join([data async for data in stream])


def nginx(folder: Path, api: int, front: int, pems: tuple[Path, Path]) -> list[str]:
    text = changed(
        recipe("nginx.conf"),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{front} ssl",
            "listen [::]:443 ssl;": "",
            "127.0.0.1:9984": f"127.0.0.1:{api}",
            "/etc/ssl/node.example.com/fullchain.pem": str(pems[0]),
            "/etc/ssl/node.example.com/privkey.pem": str(pems[1]),
        },
    )
    (folder / "trio-stream.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND_NGINX.format(folder=folder))
    assert NGINX
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, api: int, front: int, pems: tuple[Path, Path]) -> list[str]:
    site = f"https://localhost:{front} {{\n\ttls {pems[0]} {pems[1]}"
    text = changed(
        recipe("Caddyfile"),
        {"node.example.com {": site, "127.0.0.1:9984": f"127.0.0.1:{api}"},
    )
    (folder / "Caddyfile").write_text(AROUND_CADDY + text)
    assert CADDY
    config = str(folder / "Caddyfile")
    return [CADDY, "run", "--config", config, "--adapter", "caddyfile"]


Make = Callable[[Path, int, int, tuple[Path, Path]], list[str]]

needs_nginx = pytest.mark.skipif(NGINX is None, reason="there is no nginx here")
needs_caddy = pytest.mark.skipif(
    CADDY is None,
    reason="there is no Caddy here; it is looked for in $CADDY and on the path",
)
BOTH = [
    pytest.param(nginx, marks=needs_nginx, id="nginx"),
    pytest.param(caddy, marks=needs_caddy, id="caddy"),
]


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
    (port,) = free_ports(1)
    pems = write_certificate(folder)
    async with running(config) as addresses, child.open_nursery() as nursery:
        api = urlsplit(addresses.api).port
        assert api
        # A folder of its own, in which nginx may make what it likes.
        own = folder / "proxy"
        own.mkdir()
        proxy = await child.start(
            nursery,
            "proxy",
            make(own, api, port, pems),
            log=folder / "proxy.log",
            grace=5,
            environment={**os.environ, "XDG_DATA_HOME": str(own), "HOME": str(own)},
        )

        async def listens() -> bool | None:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                return None
            return True

        async def up() -> bool:
            return await child.poll(listens, seconds=DEADLINE, what="proxy")

        await child.while_alive(proxy, up)
        yield Front(port, pems[0]), addresses


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
