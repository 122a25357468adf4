"""Calls that a follower passes to its node: no long step of the loop, and nothing left behind.

The whole follower is asked, at both ports, by clients that read and by some that do not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.follow_daemon import following, reaches, serving, settings
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.wires import chunked, http
from tests.garbage import Ask, garbage_of, without_an_untraced_ring
from tests.loop_steps import assert_short_steps
from tests.test_daemon import host_and_port
from tests.websocket_peer import TEXT, frame, request
from trio_stream.node import Addresses

MIB = 2**20
LARGE = 24 * MIB
"""Bytes of an answer; a genesis in pieces has as many."""
END = b'"the end"}'
BODIES = {
    "small": b'{"result":' + END,
    "large": b'{"result":"' + b"x" * LARGE + b'","a":' + END,
    "values": b'{"result":[' + b"[]," * (LARGE // 3) + b'0],"a":' + END,
    "no JSON": b"x" * LARGE + END,
}
ANSWERS = {
    **{name: http(body) for name, body in BODIES.items()},
    "pieces": chunked(*[b"[],"] * 100_000, END),
    "too large": http(b"x" * (33 * MIB)),
    "closed": b"",
    "refused": http(b'{"error":{"code":-32602,"message":"Invalid params"},"a":' + END),
}
PARAMS = {
    "text": "x" * 900_000,
    "words": ["é" * 10] * 19_000,
    "numbers": list(range(19_000)),
    "fractions": [number + 0.125 for number in range(19_000)],
    "members": {f"name{number}": {} for number in range(9_000)},
    "values": [[]] * 300_000,
}


class Node(FakeNode):
    """Answers `genesis` as it is told, whatever its parameters."""

    genesis = b""

    def answered(self, asked: Any) -> bytes:
        if isinstance(asked, dict) and asked["method"] == "genesis":
            return self.genesis
        return super().answered(asked)


class Follower:
    """A follower of one node."""

    def __init__(self, addresses: Addresses, node: Node) -> None:
        self._addresses = addresses
        self.node = node

    async def over_http(self, params: object = None, *, reads: bool = True) -> None:
        """Ask by POST."""
        body = call(params)
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        await self._ask(self._addresses.api, head.encode() + body, reads=reads)

    async def by_name(self) -> None:
        """Ask by GET."""
        get = b"GET /genesis HTTP/1.1\r\nHost: x\r\n\r\n"
        await self._ask(self._addresses.api, get, reads=True)

    async def over_websocket(
        self, params: object = None, *, reads: bool = True
    ) -> None:
        """Ask by a message."""
        upgrade = request(target="/websocket")
        said = upgrade + frame(TEXT, call(params))
        await self._ask(self._addresses.stream, said, reads=reads)

    async def _ask(self, place: str, said: bytes, *, reads: bool) -> None:
        stream = await trio.open_tcp_stream(*host_and_port(place))
        async with stream:
            await stream.send_all(said)
            last = b""
            while reads and not last.rstrip().endswith(b"}"):
                piece = bytes(await stream.receive_some(MIB))
                last = last[-20:] + piece
                if not piece:
                    break
            if not reads:
                await stream.receive_some(1)
        # Until the other end has noticed.
        await wait_all_tasks_blocked(0.01)


def call(params: object) -> bytes:
    document = {"jsonrpc": "2.0", "id": 1, "method": "genesis", "params": params or {}}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@asynccontextmanager
async def followed(folder: Path) -> AsyncIterator[Follower]:
    node = Node(MadeChain(2))
    async with serving(node) as urls:
        config = settings(folder, *urls, max_body_bytes=4 * MIB)
        async with following(config) as addresses:
            await reaches(addresses, 2)
            yield Follower(addresses, node)


WAYS = ["over_http", "by_name", "over_websocket"]


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("way", WAYS)
async def test_answers_of_any_kind_take_short_steps(way: str, tmp_path: Path) -> None:
    async with followed(tmp_path) as follower:
        for answer in ANSWERS.values():
            follower.node.genesis = answer
            await assert_short_steps(getattr(follower, way))


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.parametrize("way", ["over_http", "over_websocket"])
@pytest.mark.parametrize("name", PARAMS)
async def test_large_calls_take_short_steps(
    name: str, way: str, tmp_path: Path
) -> None:
    async with followed(tmp_path) as follower:
        follower.node.genesis = ANSWERS["small"]
        await assert_short_steps(partial(getattr(follower, way), PARAMS[name]))


@pytest.mark.slow
@without_an_untraced_ring
async def test_passed_calls_leave_nothing(tmp_path: Path) -> None:
    async with followed(tmp_path) as follower:

        async def ask(way: str, name: str, reads: bool) -> None:
            follower.node.genesis = ANSWERS[name]
            if way == "by_name":
                await follower.by_name()
            else:
                await getattr(follower, way)(reads=reads)

        asks: dict[str, Ask] = {
            f"{way} {name} {reads}": partial(ask, way, name, reads)
            for way in WAYS
            for name in ("small", "large", "no JSON", "too large", "closed", "refused")
            for reads in ((True,) if way == "by_name" else (True, False))
        }
        assert await garbage_of(asks) == {}
