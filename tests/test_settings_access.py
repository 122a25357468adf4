"""Settings of who may come, and how often, in force in the whole daemon at each door."""

from __future__ import annotations

import datetime
import os
import signal
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from trio.testing import MockClock

from scripts.certificate import write_certificate
from tests.still_daemon import everything, is_open, still
from tests.test_access import HEAD, LIST, POST, REQUESTS, ask
from tests.test_daemon import host_and_port, running, settings
from tests.websocket_peer import Peer
from trio_stream.config import Address
from trio_stream.node import Addresses

DOORS = {
    name: REQUESTS[name]
    for name in (
        "websocket",
        "websocket at HTTP's port",
        "events",
        "poll",
        "read",
        "read slowly",
        "post",
        "post slowly",
    )
}
CHUNK = "400\r\n" + "z" * 1024 + "\r\n0\r\n\r\n"
POSTS = {
    "front": (POST + "Content-Length: 1024\r\n", "z" * 1024),
    "hypercorn": (POST + "TE: trailers\r\nContent-Length: 1024\r\n", "z" * 1024),
    "chunks": (POST + "Transfer-Encoding: chunked\r\n", CHUNK),
}


@pytest.mark.parametrize("door", DOORS)
async def test_requests_per_address(
    tmp_path: Path, door: str, mock_clock: MockClock
) -> None:
    """Five seconds' worth at once, whatever is asked; by forwarded address behind a proxy."""
    name, head, body = DOORS[door]
    config = settings(
        tmp_path, requests_per_address=2, trusted_proxies=("127.0.0.1/32",)
    )
    async with still(config, mock_clock) as daemon:

        async def status(address: str) -> tuple[int, bytes]:
            forwarded = f"X-Forwarded-For: 9.9.9.9, {address}\r\n"
            return await ask(daemon.addresses, name, f"{head}{forwarded}\r\n{body}")

        for address in ("1.1.1.1", "2001:db8::1"):
            for _ in range(10):
                assert (await status(address))[0] != 429
        for address in ("1.1.1.1", "2001:db8::2"):
            refused, answer = await status(address)
            assert refused == 429 and b"\r\nretry-after: 1\r\n" in answer.lower()
            # All doors count together.
            for other, said, more in DOORS.values():
                forwarded = f"X-Forwarded-For: {address}\r\n"
                said += f"{forwarded}\r\n{more}"
                assert (await ask(daemon.addresses, other, said))[0] == 429
        assert (await status("1.1.1.2"))[0] != 429
        await daemon.passes(1)
        assert (await status("1.1.1.1"))[0] != 429


@pytest.mark.parametrize("way", POSTS)
async def test_post_bytes_per_address(
    tmp_path: Path, way: str, mock_clock: MockClock
) -> None:
    head, body = POSTS[way]
    async with still(
        settings(tmp_path, post_bytes_per_address=100), mock_clock
    ) as daemon:
        assert (await ask(daemon.addresses, "api", f"{head}\r\n{body}"))[0] == 400
        for again, more in POSTS.values():
            said = f"{again}\r\n{more}"
            status, answer = await ask(daemon.addresses, "api", said)
            assert status == 429 and b"\r\nretry-after: 6\r\n" in answer.lower()
        read = f"GET /api/v1/blocks/9 {HEAD}\r\n"
        assert (await ask(daemon.addresses, "api", read))[0] == 404
        await daemon.passes(6)
        assert (await ask(daemon.addresses, "api", f"{head}\r\n{body}"))[0] == 400


async def test_stream_connections_per_address(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    """Silent ones count too, and so do those that come through the HTTP door."""
    config = settings(tmp_path, stream_connections_per_address=2)
    async with still(config, mock_clock) as daemon:
        silent = await daemon.connect("stream")
        held = await daemon.connect("api", DOORS["websocket"][1] + "\r\n")
        await daemon.until(lambda: held.socket.is_readable())
        for door in ("stream", "api"):
            async with await daemon.connect(
                door, DOORS["websocket"][1] + "\r\n"
            ) as late:
                answer = await everything(late)
                assert answer.startswith(b"HTTP/1.1 429 ")
                assert b"\r\nRetry-After: 10\r\n" in answer
        assert is_open(silent)
        await silent.aclose()
        await daemon.settle()
        said = DOORS["websocket"][1] + "\r\n"
        assert (await ask(daemon.addresses, "stream", said))[0] == 101
        await held.aclose()


async def test_allowed_origins(tmp_path: Path) -> None:
    config = settings(tmp_path, allowed_origins=("https://shop.example",))
    async with running(config) as addresses:
        for door, head, body in DOORS.values():
            for origin, is_allowed in (
                ("https://shop.example", True),
                ("https://evil.example", False),
                ("null", False),
            ):
                said = f"{head}Origin: {origin}\r\n\r\n{body}"
                status, answer = await ask(addresses, door, said)
                assert (status == 403) != is_allowed
            # Programs that are no browsers send none.
            assert (await ask(addresses, door, f"{head}\r\n{body}"))[0] != 403


class Authority:
    """A certificate authority, and what it has signed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.pem"
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )

    def client(self, name: str) -> Path:
        """A file with the certificate of a client, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(_named(name), key.public_key())
        file = self._folder / f"{name}.pem"
        file.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return file

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


async def attempt(
    addresses: Addresses, door: str, said: str, tls: ssl.SSLContext
) -> bytes:
    """What comes back; nothing if the server does not want to speak to this client."""
    client = await Peer.connect(host_and_port(getattr(addresses, door))[1], tls=tls)
    try:
        await client.send(said.encode())
        return await client.read_head()
    except trio.BrokenResourceError:
        return b""
    finally:
        client.reset()


def presenting(certificate: Path, own: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    if own is not None:
        context.load_cert_chain(own)
    return context


async def test_tls_client_ca(tmp_path: Path) -> None:
    """Without a certificate of that authority nothing is answered, at any door or path."""
    certificate, key = write_certificate(tmp_path)
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    config = settings(
        tmp_path / "home",
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=ours.file,
    )
    async with running(config) as addresses:
        for door, head, body in (*DOORS.values(), ("api", f"GET / {HEAD}", "")):
            said = f"{head}\r\n{body}"
            for own in (None, theirs.client("stranger")):
                tls = presenting(certificate, own)
                assert await attempt(addresses, door, said, tls) == b""
            tls = presenting(certificate, ours.client("friend"))
            answer = await attempt(addresses, door, said, tls)
            assert answer.startswith(b"HTTP/1.1 ") and b" 403 " not in answer
            evil = f"{head}Origin: https://evil.example\r\n\r\n{body}"
            if head != f"GET / {HEAD}":
                assert b" 403 " in await attempt(addresses, door, evil, tls)


async def test_certificates_are_read_again_at_sighup(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(ours.file.read_bytes())
    config = settings(
        tmp_path / "home",
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=authorities,
    )
    friend, stranger = ours.client("friend"), theirs.client("stranger")
    async with running(config) as addresses:

        async def are_served(*, by: Path) -> list[bool]:
            return [
                bool(await attempt(addresses, door, said + "\r\n", presenting(by, own)))
                for door, said in (DOORS["websocket"][:2], DOORS["read"][:2])
                for own in (friend, stranger)
            ]

        assert await are_served(by=certificate) == [True, False] * 2
        key.write_bytes(b"nonsense")
        old = tmp_path / "old.pem"
        old.write_bytes(certificate.read_bytes())
        os.kill(os.getpid(), signal.SIGHUP)
        assert await are_served(by=old) == [True, False] * 2
        write_certificate(tmp_path)
        authorities.write_bytes(theirs.file.read_bytes())
        os.kill(os.getpid(), signal.SIGHUP)
        while await are_served(by=certificate) != [False, True] * 2:
            pass
        with pytest.raises(AssertionError):
            assert await are_served(by=old) == [False, True] * 2


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_is_1_2_at_least(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    config = settings(tmp_path / "home", tls_certificate=certificate, tls_key=key)
    async with running(config) as addresses:
        for door in ("stream", "api"):
            tls = presenting(certificate, None)
            tls.set_ciphers("ALL:@SECLEVEL=0")
            tls.minimum_version = ssl.TLSVersion.TLSv1
            tls.maximum_version = ssl.TLSVersion.TLSv1_1
            assert await attempt(addresses, door, "GET / ", tls) == b""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "everybody who can connect may"),
        ({"tokens": True}, "without TLS: tokens can be read on the way"),
        ({"tokens": True, "trusted_proxies": ("10.0.0.1/32",)}, None),
    ],
)
async def test_a_door_beyond_loopback_is_warned_of(
    tmp_path: Path,
    more: dict[str, object],
    said: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if "tokens" in more:
        more["tokens"] = tmp_path / "tokens.toml"
        (tmp_path / "tokens.toml").write_text(LIST)
    anywhere = {"stream": Address("0.0.0.0", 0), "api": Address("0.0.0.0", 0)}
    config = replace(settings(tmp_path / "home", **more), **anywhere)  # type: ignore[arg-type]
    async with running(config):
        pass
    lines = [r.getMessage() for r in caplog.records if "is bound to" in r.getMessage()]
    assert len(lines) == (0 if said is None else 2)
    assert all(said is not None and said in line for line in lines)
