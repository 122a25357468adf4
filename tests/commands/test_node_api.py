"""How commands ask a daemon's HTTP server."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.certificate import write_certificate
from tests.commands.answering import answering
from trio_stream.commands.node_api import NodeApi, NodeSilent
from trio_stream.config import load


def node(api: str, token: str = "") -> NodeApi:
    return NodeApi(load({"api": api}, {}, file=None), token)


def test_an_answer_is_a_status_and_a_value() -> None:
    others = {"/a": (404, b"[]"), "/api/v1/transactions?mode=commit": (202, b'{"b":1}')}
    with answering(b"1", others) as api:
        assert node(api).get("/a") == (404, [])
        assert node(api).get("/b") == (200, 1)
        assert node(api).commit({"é": 1}) == (202, {"b": 1})


def test_what_is_said_of_a_refusal_is_passed_on() -> None:
    asked, told = node("localhost:1"), node("localhost:1", "a token")
    assert asked.why(400, {"message": "wrong"}) == "wrong"
    for said in ([0], {}, {"message": 7}):
        assert asked.why(500, said) == "status 500"
    assert asked.why(401, {}) == "a token is needed (--token-file FILE)"
    assert told.why(401, {}) == "the token is not valid (--token-file FILE)"


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff", b"[" * 100_000])
def test_what_is_no_node_is_named(body: bytes) -> None:
    with answering(body) as api:
        with pytest.raises(NodeSilent, match=f"^{api} is not a node's HTTP server$"):
            node(api).get("/")


def test_a_server_that_is_away_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        api = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NodeSilent, match=f"{api}: .*Connection refused"):
        node(api).get("/")


@contextmanager
def saying(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says this once, and keeps what it was sent."""
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def speak() -> None:
            peer, _ = listener.accept()
            with peer:
                sent.append(peer.recv(4096))
                peer.sendall(data)

        thread = threading.Thread(target=speak)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", sent
        thread.join()


def test_a_server_of_another_protocol_is_named() -> None:
    with saying(b"SSH-2.0-x\r\n") as (api, _):
        with pytest.raises(NodeSilent, match=f"{api}: SSH"):
            node(api).get("/")


def test_the_token_is_sent() -> None:
    with saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}") as (api, sent):
        assert node(api, "secret").get("/") == (200, {})
    assert b"\r\nAuthorization: Bearer secret\r\n" in sent[0]


@pytest.mark.parametrize("asks", [False, True])
def test_over_tls_the_node_s_own_certificate_is_trusted_and_shown(
    asks: bool, tmp_path: Path
) -> None:
    certificate, key = write_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificate)
    context.load_cert_chain(certificate, key)
    settings = {"tls_certificate": str(certificate), "tls_key": str(key)}
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        settings["tls_client_ca"] = str(certificate)
    with answering(b"1", tls=context) as api:
        config = load({"api": api, **settings}, {}, file=None)
        assert NodeApi(config).get("/") == (200, 1)


def test_a_port_that_is_not_known_is_not_asked() -> None:
    with pytest.raises(NodeSilent, match="which port it listens on is not known"):
        node("localhost:0").get("/")
