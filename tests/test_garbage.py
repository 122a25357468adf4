"""No request leaves anything for the garbage collector, whatever is asked at which door.

A full collection is rare, so what waits for one grows with the requests, and an error that holds
its frames holds what was posted too.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from scripts.signing import Key, create, encode, transfer
from tests.fake_engine import FakeEngine
from tests.garbage import Ask, garbage_of, without_an_untraced_ring
from tests.stub_rpc import ACCEPTED, StubRpc, internal_error
from tests.test_access import LIST, POSTER, POSTS, REQUESTS, WRONG, bearer
from tests.test_daemon import engine_at, host_and_port, running, settings
from trio_stream.access import rates
from trio_stream.http.bigchaindb import OPENAPI
from trio_stream.node import Addresses

ALICE = Key.from_seed(b"\x01" * 32)
ASSET = create(ALICE, data={"word": "bicycle"}, metadata={"n": 1})
STREAM = "/api/v1/streams/valid_transactions"

# Werkzeug's routing (3.1) makes a function that refers to itself. It holds nothing of a request
# but its method, and is young when it is found.
WERKZEUGS = "StateMachineMatcher.match.<locals>._match"
PLAIN = {"cell", "function", "set", "tuple"}


class World(NamedTuple):
    """A daemon with its engine."""

    addresses: Addresses
    engine: FakeEngine
    rpc: StubRpc

    async def http(self, request: bytes) -> None:
        """Send a request, take the first of its answer, and go."""
        await _taste(host_and_port(self.addresses.api), request)

    async def websocket(self, query: str, door: str = "stream") -> None:
        place = urlsplit(self.addresses.stream)
        upgrade = ["Connection: Upgrade", "Upgrade: websocket"]
        key = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + "A" * 22 + "=="]
        request = get(place.path + query, *upgrade, *key)
        await _taste(host_and_port(getattr(self.addresses, door)), request)


async def _taste(address: tuple[str, int], request: bytes) -> None:
    async with await trio.open_tcp_stream(*address) as stream:
        await stream.send_all(request)
        assert await stream.receive_some()
    # Until the other end has noticed.
    await wait_all_tasks_blocked(0.01)


@asynccontextmanager
async def world(home: Path, **more: object) -> AsyncIterator[World]:
    rpc = StubRpc()
    async with (
        rpc.serving(),
        running(settings(home, node=rpc.url, **more)) as addresses,
    ):
        async with engine_at(addresses, "C38") as engine:
            await engine.handshake()
            await engine.block(encode(ASSET), b"nonsense")
            yield World(addresses, engine, rpc)


async def nothing_is_left(asks: Mapping[str, Ask]) -> None:
    found = await garbage_of(asks)
    for name, left in list(found.items()):
        kinds = {each.partition(":")[0] for each in left}
        if any(WERKZEUGS in each for each in left) and kinds <= PLAIN:
            del found[name]
    assert found == {}


def get(path: str, *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(body: bytes, query: str = "", *headers: str) -> bytes:
    length = f"Content-Length: {len(body)}"
    path = f"/api/v1/transactions{query}"
    return get(path, length, *headers, method="POST") + body


PATHS = {
    "/": ["/"],
    "/api/v1/": ["/api/v1/"],
    "/api/v1/transactions/{transaction_id}": [
        f"/api/v1/transactions/{ASSET['id']}",
        "/api/v1/transactions/unknown",
    ],
    "/api/v1/transactions": [
        f"/api/v1/transactions?asset_id={ASSET['id']}",
        f"/api/v1/transactions?asset_id={ASSET['id']}&last_tx=true",
        "/api/v1/transactions?asset_id=bad",
    ],
    "/api/v1/outputs": [
        f"/api/v1/outputs?public_key={ALICE.public}",
        f"/api/v1/outputs?public_key={ALICE.public}&spent=bad",
        f"/api/v1/outputs?public_key={ALICE.public}&unknown=1",
    ],
    "/api/v1/blocks/{height}": ["/api/v1/blocks/1", "/api/v1/blocks/99"],
    "/api/v1/blocks": [f"/api/v1/blocks?transaction_id={ASSET['id']}"],
    "/api/v1/assets": ["/api/v1/assets?search=bicycle", "/api/v1/assets?search="],
    "/api/v1/metadata": [
        "/api/v1/metadata?search=bicycle",
        "/api/v1/metadata?search=a&limit=x",
    ],
    "/api/v1/validators": ["/api/v1/validators"],
    "/api/v1/elections/{election_id}": [
        f"/api/v1/elections/{ASSET['id']}",
        "/api/v1/elections/bad",
    ],
    "/api/v1/statuses": [f"/api/v1/statuses?transaction_id={ASSET['id']}"],
    "/api/v1/status": ["/api/v1/status"],
    "/metrics": ["/metrics"],
    "/health/live": ["/health/live"],
    "/health/ready": ["/health/ready"],
    "/api/v1/openapi.json": ["/api/v1/openapi.json"],
    "/api/v1/tickets": ["/api/v1/tickets"],
    "/api/v1/events": ["/api/v1/events?after=earliest", "/api/v1/events?after=bad"],
    "/api/v1/streams/{stream}": [f"{STREAM}?after=earliest", f"{STREAM}?after=bad"],
    "files": ["/client.js", "/manual", "/manual/sql", "/static/manual.css"],
    "unknown": ["/nowhere", "//api/v1/blocks/1", "/api/v1/blocks/x"],
}
FORMS = {
    "plain": [],
    "close": ["Connection: close"],
    "not plain": ["TE: trailers"],
    "events": ["Accept: text/event-stream"],
    "upgrade": ["Connection: Upgrade", "Upgrade: websocket"],
}


def test_every_path_is_asked_for() -> None:
    described = json.loads(OPENAPI.read_bytes())["paths"]
    assert {path.rstrip("/") for path in described} <= {
        path.rstrip("/") for path in PATHS
    }


@without_an_untraced_ring
@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.slow), len(FORMS) + 1]
)
async def test_get(step: int, tmp_path: Path) -> None:
    """All paths in all forms; or each path in one form, and each form often."""
    asked = [
        (path, form) for paths in PATHS.values() for path in paths for form in FORMS
    ]
    async with world(tmp_path) as served:
        await nothing_is_left(
            {
                f"{path} {form}": partial(served.http, get(path, *FORMS[form]))
                for path, form in asked[::step]
            }
        )


MALFORMED = {
    "nonsense": b"\x00\xff\r\n\r\n",
    "no target": b"GET\r\n\r\n",
    "no path": get("?x"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "small letters": get("/", method="get"),
    "another version": get("/", version="2.0"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a broken field": get("/", "no colon"),
    "a folded field": get("/", "A: b", " c"),
    "two lengths": get("/", "Content-Length: 1", "Content-Length: 2"),
    "no length": get("/", "Content-Length: x"),
    "length and chunks": get("/", "Content-Length: 1", "Transfer-Encoding: chunked"),
    "unknown coding": get("/", "Transfer-Encoding: gzip"),
    "too large": get("/", "Content-Length: 99999999", method="POST"),
    "a broken chunk": get(
        "/api/v1/transactions", "Transfer-Encoding: chunked", method="POST"
    )
    + b"x\r\n",
    "connect": get("a:1", method="CONNECT"),
}


async def test_malformed_requests(tmp_path: Path) -> None:
    async with world(tmp_path) as served:
        await nothing_is_left(
            {name: partial(served.http, each) for name, each in MALFORMED.items()}
        )


async def test_other_methods_and_what_is_no_request(tmp_path: Path) -> None:
    requests = {
        f"{method} {path}": get(path, method=method)
        for method in ("HEAD", "OPTIONS", "DELETE", "PUT")
        for path in ("/api/v1/transactions", "/nowhere")
    }
    requests["1.0"] = get("/api/v1/validators", version="1.0")
    requests["a long head"] = get("/", f"A: {'b' * 70_000}")
    async with world(tmp_path) as served:
        await nothing_is_left(
            {name: partial(served.http, each) for name, each in requests.items()}
        )


def refused_bodies() -> dict[str, Callable[[int], bytes]]:
    """Makers of bodies, each with another number in it, for every stage that may refuse."""
    return {
        "no JSON": lambda n: b'{"n":%d' % n,
        "no UTF-8": lambda n: b'"\xff%d' % n,
        "too deep": lambda n: b"[" * 600 + b"%d" % n,
        "no object": lambda n: b"[%d]" % n,
        "no id": lambda n: b'{"n":%d}' % n,
        "large": lambda n: b'{"n":%d,"x":"%b"}' % (n, b"a" * 50_000),
        "an integer": lambda n: encode(create(ALICE, metadata={"n": 2**70 + n})),
        "a name": lambda n: encode(create(ALICE, metadata={"$n": n})),
        "a surrogate": lambda n: b'{"n":%d,"x":"\\ud800"}' % n,
        "no input": lambda n: encode(transfer(create(ALICE, metadata={"n": n}), ALICE)),
        "committed": lambda n: encode(ASSET),
    }


@pytest.mark.slow
async def test_refused_posts(tmp_path: Path) -> None:
    numbers = count()
    async with world(tmp_path) as served:

        async def another(make: Callable[[int], bytes], *headers: str) -> None:
            await served.http(post(make(next(numbers)), "", *headers))

        asks: dict[str, Ask] = {}
        for name, make in refused_bodies().items():
            for form in ("keep-alive", "close"):
                header = f"Connection: {form}"
                asks[f"{name}, {form}"] = partial(another, make, header)
                same = post(make(10**6), "", header)
                asks[f"{name} again, {form}"] = partial(served.http, same)
        await nothing_is_left(asks)


@without_an_untraced_ring
async def test_posts_that_reach_the_engine(tmp_path: Path) -> None:
    numbers = count()
    answers: dict[str, dict[str, Any] | bytes | None] = {
        "refused": {"result": {"code": 1, "log": "no"}},
        "an error": internal_error("Mempool is full"),
        "in the cache": internal_error("tx already exists in cache"),
    }
    # In mode commit the answer would have to wait for a block.
    unclear: dict[str, dict[str, Any] | bytes | None] = {
        "taken": ACCEPTED,
        "another answer": {"error": "no object"},
        "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        "closed": None,
    }
    async with world(tmp_path) as served:

        async def ask(mode: str, answer: dict[str, Any] | bytes | None) -> None:
            # More than one, since a call may be repeated on another connection.
            served.rpc.answers.extend([answer] * 3)
            body = encode(create(ALICE, metadata={"n": next(numbers)}))
            await served.http(post(body, f"?mode={mode}"))
            served.rpc.answers.clear()

        await nothing_is_left(
            {
                f"{mode}, {name}": partial(ask, mode, answer)
                for mode in ("async", "sync", "commit")
                for name, answer in (answers | unclear).items()
                if mode != "commit" or name in answers
            }
        )


@without_an_untraced_ring
async def test_websocket(tmp_path: Path) -> None:
    queries = [
        "",
        "?after=earliest",
        "?after=earliest&until=tip",
        f"?after=earliest&public_key={ALICE.public}&detail=full&notices=1",
        "?after=bad",
        "?unknown=1",
        f"?after={'0' * 64}",
        "?from_height=1000000",
        "?from_height=1000000&notices=1",
    ]
    async with world(tmp_path) as served:
        address = host_and_port(served.addresses.stream)
        asks: dict[str, Ask] = {
            f"{each} {door}": partial(served.websocket, each, door)
            for each in queries
            for door in ("stream", "api")
        }
        for path in (STREAM, "/nowhere"):
            asks[path] = partial(_taste, address, get(path))
        asks["nonsense"] = partial(_taste, address, b"\x00\xff\r\n\r\n")
        await nothing_is_left(asks)


@without_an_untraced_ring
@pytest.mark.parametrize("limit", ["tokens", "rates"])
async def test_refused_by_the_guard(
    tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests without a token, with a wrong or too weak one, and one too many."""
    # Whatever the time, each request is one too many: none waits for an engine.
    monkeypatch.setattr(rates, "BURST_SECONDS", -3600)
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(LIST)
    settings_of: dict[str, dict[str, object]] = {
        "tokens": {"tokens": tokens},
        "rates": {
            "requests_per_address": 1,
            "post_bytes_per_address": 1,
            "stream_connections_per_address": 1,
        },
    }
    asks: dict[str, Ask] = {}
    async with world(tmp_path / "home", **settings_of[limit]) as served:

        async def ask(door: str, said: str) -> None:
            await _taste(host_and_port(getattr(served.addresses, door)), said.encode())

        for name, (door, head, body) in REQUESTS.items():
            for token in ("", WRONG, POSTER):
                if limit == "tokens" and token == POSTER and name in POSTS:
                    continue
                given = bearer(token) if token else ""
                asks[f"{name} {token}"] = partial(ask, door, f"{head}{given}\r\n{body}")
        await nothing_is_left(asks)


async def test_checks_and_blocks(tmp_path: Path) -> None:
    numbers = count()
    async with world(tmp_path) as served:

        async def check(make: Callable[[int], bytes]) -> None:
            await served.engine.check(make(next(numbers)))

        async def block(make: Callable[[int], bytes]) -> None:
            good = encode(create(ALICE, metadata={"b": next(numbers)}))
            await served.engine.block(make(next(numbers)), good)

        asks: dict[str, Ask] = {}
        for name, make in refused_bodies().items():
            asks[f"check {name}"] = partial(check, make)
            asks[f"block {name}"] = partial(block, make)
        await nothing_is_left(asks)
