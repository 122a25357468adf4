"""The HTTP server on real sockets: healthy and rude clients, and a stop."""

from __future__ import annotations

import dataclasses
import datetime
import gc
import logging
import socket as stdlib_socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypercorn.trio.tcp_server import TCPServer
from trio import socket
from trio.testing import MockClock, wait_all_tasks_blocked

from scripts.http_client import ClientConnection as Client
from scripts.http_client import fetch
from tests.garbage import without_an_untraced_ring
from trio_stream.http import server as http_server
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.connection import HttpConnection
from trio_stream.http.server import HttpLimits
from trio_stream.log.errors import LogDamaged
from trio_stream.net.tls import server_context

# More than the kernel takes for a peer that does not read.
LARGE = b"x" * 20_000_000


class App:
    """Answers every request with `ok`; /large with a lot, /hold when told to, /damage not."""

    def __init__(self) -> None:
        self.held = trio.Event()
        self.go = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b"ok"
        if scope["path"] == "/large":
            body = LARGE
        if scope["path"] == "/damage":
            raise LogDamaged("read", Path("log.db"), "nonsense")
        if scope["path"] == "/hold":
            self.held.set()
            await self.go.wait()
        headers = [(b"content-length", str(len(body)).encode())]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})


class Server:
    def __init__(self, port: int, app: App, stop: trio.Event) -> None:
        self.port = port
        self.app = app
        self.stop = stop

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def is_healthy(self) -> bool:
        return (await fetch("127.0.0.1", self.port, "GET", "/")).body == b"ok"


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Server]:
    """A server on a free port, which has ended when the block ends."""
    app, stop = App(), trio.Event()
    names = {item.name for item in dataclasses.fields(HttpLimits)}
    limits = HttpLimits(**{k: settings.pop(k) for k in names & settings.keys()})
    arguments = {"tls": None, "limits": limits} | settings
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        serve = partial(http_server.serve, app, listeners, stop=stop, **arguments)
        assert await nursery.start(serve) == listeners
        yield Server(listeners[0].socket.getsockname()[1], app, stop)
        stop.set()


async def reset(stream: trio.SocketStream) -> None:
    linger = struct.pack("ii", 1, 0)
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    await stream.aclose()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        UPGRADE + b"x",
        UPGRADE.replace(b"websocket", b"h2c\r\nHTTP2-Settings: AAMAAABk") + b"x",
        b"",
        b"GET / HT",
        POST,
        POST + b"half",
        b"\x00\xff\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_rude_client_leaves_the_server_as_it_was(sent: bytes) -> None:
    async with served() as server:
        silent = [await server.connect() for _ in range(5)]
        resetting = [await server.connect() for _ in range(5)]
        for stream in silent + resetting:
            await stream.send_all(sent)
        for stream in resetting:
            await reset(stream)
        assert await server.is_healthy()
        server.app.go.set()
        assert await server.is_healthy()
        for stream in silent:
            await stream.aclose()


async def test_a_client_that_never_reads_cannot_stop_the_server_from_stopping() -> None:
    async with served(shutdown_timeout=0.05) as server:
        stream = await server.connect()
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.receive_some(1)
        assert await server.is_healthy()
        server.stop.set()
    await stream.aclose()


def unsent(port: int, peer: int) -> int:
    """Bytes that the kernel holds from the server at `port` for the peer at another port."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if (int(local[-4:], 16), int(remote[-4:], 16)) == (port, peer):
            return int(queues.split(":")[0], 16)
    raise AssertionError("no such connection")


async def test_the_kernel_holds_little_for_a_client_that_does_not_read() -> None:
    async with served(send_buffer=32 * 1024) as server:
        stream = await server.connect()
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.receive_some(1)
        await wait_all_tasks_blocked(0.05)
        held = unsent(server.port, stream.socket.getsockname()[1])
        assert 0 < held <= 2 * 64 * 1024
        await stream.aclose()


async def test_a_request_in_hand_is_answered_while_the_server_stops() -> None:
    async with served() as server:
        stream = await server.connect()
        idle = await server.connect()
        await stream.send_all(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        await server.app.held.wait()
        server.stop.set()
        assert await idle.receive_some() == b""
        with pytest.raises(OSError, match="failed"):
            await server.connect()
        server.app.go.set()
        assert b"".join([piece async for piece in stream]).endswith(b"ok")
        await stream.aclose()
        await idle.aclose()


async def test_a_request_that_takes_too_long_is_cut_when_the_server_stops() -> None:
    async with served(shutdown_timeout=0.05) as server:
        stream = await server.connect()
        await stream.send_all(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        await server.app.held.wait()
        server.stop.set()
        assert await stream.receive_some() == b""
        await stream.aclose()


async def test_after_it_has_stopped_the_port_can_be_listened_at_again() -> None:
    async with served() as server:
        assert await server.is_healthy()
    listeners = await trio.open_tcp_listeners(server.port, host="127.0.0.1")
    await listeners[0].aclose()


async def test_an_error_of_ours_in_a_connection_is_logged_and_stays_there(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(self: object) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a fault of ours")

    async with served() as server:
        with monkeypatch.context() as patch:
            patch.setattr(TCPServer, "run", run)
            stream = await server.connect()
            assert await stream.receive_some() == b""
            await stream.aclose()
        assert await server.is_healthy()
    assert "a fault of ours" in caplog.text


@pytest.mark.parametrize("in_front", [False, True])
async def test_a_broken_log_ends_the_server(in_front: bool) -> None:
    async def broken() -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        raise LogDamaged("read", Path("log.db"), "nonsense")

    settings: dict[str, Any] = {}
    if in_front:
        settings["direct"] = lambda request: broken()
    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        async with served(**settings) as server, await server.connect() as stream:
            await stream.send_all(b"GET /damage HTTP/1.1\r\nHost: a\r\n\r\n")
            await trio.sleep_forever()


async def test_a_connection_reset_before_its_acceptance_is_no_matter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "trio_stream.http.server")
    async with served() as server:
        with stdlib_socket.create_connection(("127.0.0.1", server.port)) as early:
            linger = struct.pack("ii", 1, 0)
            early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        assert await server.is_healthy()
    assert "connection ended: " in caplog.text


async def test_of_connections_for_one_place_one_is_served(
    patient_clock: MockClock,
) -> None:
    limits = {"max_connections": 1, "max_connections_per_address": 0}
    async with served(**limits) as server, await server.connect() as slow:
        await slow.send_all(POST)
        await trio.sleep(2)
        async with trio.open_nursery() as nursery:
            hold = partial(fetch, "127.0.0.1", server.port, "GET", "/hold")
            nursery.start_soon(hold)
            await server.app.held.wait()
            said = b"".join([bytes(piece) async for piece in slow])
            assert said.startswith(b"HTTP/1.1 503 ")
            late = await fetch("127.0.0.1", server.port, "GET", "/")
            assert late.status == 503
            server.app.go.set()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


async def test_https_survives_bytes_that_are_not_tls(
    certificate: tuple[Path, Path],
) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=str(certfile))
    trust.set_alpn_protocols(["h2", "http/1.1"])
    async with served(
        tls=partial(server_context, certfile, keyfile, alpn=http_server.ALPN)
    ) as server:
        plain = await server.connect()
        await plain.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await plain.aclose()
        stream = trio.SSLStream(
            await server.connect(), trust, server_hostname="localhost"
        )
        client = Client(stream, "localhost")
        assert (await client.request("GET", "/")).body == b"ok"
        assert (await client.request("GET", "/large")).body == LARGE
        assert stream.selected_alpn_protocol() == "http/1.1"
        await stream.send_all(b"nonsense\r\n\r\n")
        assert b"400 BAD REQUEST" in await stream.receive_some()
        await stream.aclose()


async def test_tls_that_never_reads_cannot_stop_the_server_from_stopping(
    certificate: tuple[Path, Path],
) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=str(certfile))
    tls = {
        "tls": partial(server_context, certfile, keyfile),
        "shutdown_timeout": 0.05,
    }
    async with served(**tls) as server:
        silent = await server.connect()
        stream = trio.SSLStream(
            await server.connect(), trust, server_hostname="localhost"
        )
        await stream.send_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await stream.receive_some(1)
        server.stop.set()
    await trio.aclose_forcefully(stream)
    await silent.aclose()


async def test_a_client_that_is_shaking_hands_when_the_server_stops_gets_no_request_in(
    certificate: tuple[Path, Path],
) -> None:
    certfile, keyfile = certificate
    trust = ssl.create_default_context(cafile=str(certfile))
    async with served(
        tls=partial(server_context, certfile, keyfile, alpn=http_server.ALPN)
    ) as server:
        late, idle = [
            trio.SSLStream(
                await server.connect(),
                trust,
                server_hostname="localhost",
                https_compatible=True,
            )
            for _ in range(2)
        ]
        await Client(idle, "localhost").request("GET", "/")
        server.stop.set()
        assert await idle.receive_some() == b""
        await late.do_handshake()
        assert await late.receive_some() == b""
        await late.aclose()
        await idle.aclose()


@pytest.mark.parametrize("lasting", [0, 1])
async def test_lasting_requests_are_not_waited_for(lasting: int) -> None:
    answered = trio.Event()
    async with served(answered=answered, lasting=lambda: lasting) as server:
        stream = await server.connect()
        await stream.send_all(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        await server.app.held.wait()
        server.stop.set()
        await wait_all_tasks_blocked(0.01)
        assert answered.is_set() == bool(lasting)
        server.app.go.set()
        await answered.wait()
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        await stream.aclose()


async def test_each_connection_awaits_a_turn() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        await trio.lowlevel.checkpoint()

    async with served(turn=turn) as server:
        for number in range(3):
            assert await server.is_healthy()
            assert turns == number + 1


async def test_a_connection_without_a_turn_is_closed_when_the_server_stops() -> None:
    async with served(turn=trio.sleep_forever) as server:
        async with await server.connect() as stream:
            await wait_all_tasks_blocked()
            server.stop.set()
            with trio.fail_after(60), suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""


@without_an_untraced_ring
async def test_what_a_connection_took_is_freed_without_the_garbage_collector() -> None:
    def present() -> int:
        return sum(isinstance(each, HttpConnection) for each in gc.get_objects())

    gc.collect()
    before = present()
    gc.disable()
    try:
        async with served() as server:
            for _ in range(5):
                assert await server.is_healthy()
                stream = await server.connect()
                await stream.send_all(POST)
                await reset(stream)
            await wait_all_tasks_blocked(0.01)
            assert present() <= before
    finally:
        gc.enable()
