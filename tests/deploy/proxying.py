"""Proxies set up as the manual says, in front of a daemon."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts import child
from scripts.certificate import write_certificate
from scripts.engines.home import free_ports
from tests.deploy.recipes import changed, recipe
from trio_stream.node import Addresses

DEADLINE = 120

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
async def in_front(
    make: Make, folder: Path, addresses: Addresses
) -> AsyncIterator[Front]:
    """The proxy in front of a daemon."""
    (port,) = free_ports(1)
    pems = write_certificate(folder)
    async with child.open_nursery() as nursery:
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
        yield Front(port, pems[0])
