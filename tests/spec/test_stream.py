"""BigchainDB's HTTP specification, section 7: the event stream.

The names of the tests have the number of the section that says so. Two answers are ours: a plain
GET is told with 426 what to upgrade to, and compression is not offered.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts.signing import create, encode, transfer
from tests.instant_node import InstantNode, instant_node
from tests.ledger.chains import ALICE
from tests.websocket_peer import (
    BINARY,
    CLOSE,
    PATH,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    Peer,
    frame,
    request,
)

ONLY = b'\n Can "Upgrade" only to "WebSocket".'


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[InstantNode]:
    async with instant_node(tmp_path) as node:
        yield node


async def answer(node: InstantNode, data: bytes) -> bytes:
    """The whole answer; the server closes after it."""
    port = urlsplit(node.ws_url).port
    assert port
    with trio.fail_after(60):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(data)
            return b"".join([piece async for piece in stream])


@asynccontextmanager
async def subscribed(node: InstantNode) -> AsyncIterator[Peer]:
    port = urlsplit(node.ws_url).port
    assert port
    peer = await Peer.connect(port)
    async with peer.stream:
        with trio.fail_after(60):
            await peer.send(request())
            assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
            yield peer


def without(name: str) -> dict[str, str]:
    return {each: value for each, value in UPGRADE.items() if each != name}


def with_(name: str, value: str) -> dict[str, str]:
    return {**UPGRADE, name: value}


REFUSED: dict[str, tuple[bytes, int, bytes]] = {
    "another path": (request(target="/"), 404, b"404: Not Found"),
    "a slash": (request(target=PATH + "/"), 404, b"404: Not Found"),
    "two slashes": (request(target="/api//v1"), 404, b"404: Not Found"),
    "escapes": (request(target=PATH[:-1] + "%73"), 404, b"404: Not Found"),
    "no upgrade": (request(headers={"Host": "localhost"}), 426, b"ws://"),
    "h2c": (
        request(headers=with_("Upgrade", "h2c")),
        400,
        b"No WebSocket UPGRADE hdr: h2c" + ONLY,
    ),
    "no Connection: Upgrade": (
        request(headers=with_("Connection", "close")),
        400,
        b"No CONNECTION upgrade hdr: close",
    ),
    "version 12": (
        request(headers=with_("Sec-WebSocket-Version", "12")),
        400,
        b"Unsupported version: 12",
    ),
    "no version": (
        request(headers=without("Sec-WebSocket-Version")),
        400,
        b"Unsupported version: ",
    ),
    "no key": (
        request(headers=without("Sec-WebSocket-Key")),
        400,
        b"Handshake error: None",
    ),
    "a key of another length": (
        request(headers=with_("Sec-WebSocket-Key", "abc")),
        400,
        b"Handshake error: 'abc'",
    ),
    "another method": (request("POST"), 405, b"405: Method Not Allowed"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_7_1_who_is_not_let_in(what: str, node: InstantNode) -> None:
    data, status, body = REFUSED[what]
    head, _, found = (await answer(node, data)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in head
    assert body in found if status == 426 else body == found
    assert (b"\r\nAllow: GET,HEAD" in head) == (status == 405)


@pytest.mark.parametrize(
    "headers",
    [
        UPGRADE,
        with_("Sec-WebSocket-Protocol", "chat"),
        with_("Origin", "http://a.example"),
        with_("Sec-WebSocket-Extensions", "permessage-deflate"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_7_1_who_is_let_in(
    method: str, headers: dict[str, str], node: InstantNode
) -> None:
    port = urlsplit(node.ws_url).port
    assert port
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        # Whatever stands in a query string that is not ours.
        await stream.send_all(request(method, PATH + "?foo=bar", headers))
        head = (await stream.receive_some()).lower()
    assert head.startswith(b"http/1.1 101 ")
    for name in (
        b"upgrade: websocket",
        b"connection: upgrade",
        b"sec-websocket-accept",
    ):
        assert b"\r\n" + name in head
    assert b"sec-websocket-protocol" not in head


async def test_7_2_one_text_for_each_accepted_transaction(node: InstantNode) -> None:
    asset = create(ALICE)
    moved = transfer(asset, ALICE)
    node.block(encode(asset))
    async with subscribed(node) as peer:
        node.block()
        node.block(encode(moved), encode(moved), b"nonsense")
        text = '{"height": 4, "asset_id": "%s", "transaction_id": "%s"}'
        assert await peer.next() == (TEXT, text % (asset["id"], moved["id"]))
        own = create(ALICE, data={"own": 1})
        node.block(encode(own))
        _, payload = await peer.next()
        assert json.loads(str(payload)) == {
            "height": 5,
            "asset_id": own["id"],
            "transaction_id": own["id"],
        }


async def test_7_3_what_a_client_says_is_ignored_and_pings_are_answered(
    node: InstantNode,
) -> None:
    async with subscribed(node) as peer:
        said = frame(TEXT, b"hello") + frame(BINARY, b"\xff") + frame(PONG, b"x")
        await peer.send(said + frame(PING, b"payload"))
        assert await peer.next() == (PONG, b"payload")


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8"])
async def test_7_3_a_close_is_answered_with_1000(
    payload: bytes, node: InstantNode
) -> None:
    async with subscribed(node) as peer:
        await peer.send(frame(CLOSE, payload))
        assert await peer.read_all() == b"\x88\x02\x03\xe8"


BAD: dict[str, tuple[bytes, int]] = {
    "no UTF-8": (frame(TEXT, b"\xff"), 1007),
    "a reserved opcode": (frame(3), 1002),
    "reserved bits": (frame(TEXT | 0x40), 1002),
    "a continuation of nothing": (frame(0), 1002),
    "a message inside of one": (frame(TEXT, fin=False) + frame(TEXT), 1002),
    "a control frame in parts": (frame(PING, fin=False), 1002),
    "a long control frame": (frame(PING, bytes(126)), 1002),
    "a Close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "code 999": (frame(CLOSE, b"\x03\xe7"), 1002),
    "code 1005": (frame(CLOSE, b"\x03\xed"), 1002),
    "4 MiB": (frame(BINARY, bytes(4 << 20)), 1009),
}


@pytest.mark.parametrize("what", BAD)
async def test_7_3_bad_input(what: str, node: InstantNode) -> None:
    data, code = BAD[what]
    async with subscribed(node) as peer:
        await peer.send(data)
        assert await peer.read_all() == b"\x88\x02" + code.to_bytes(2, "big")


async def test_7_3_a_frame_without_a_mask_is_tolerated(node: InstantNode) -> None:
    async with subscribed(node) as peer:
        await peer.send(b"\x81\x02hi\x89\x01p")
        assert await peer.next() == (PONG, b"p")
