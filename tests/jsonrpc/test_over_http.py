from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.jsonrpc.nodes import Node, passing
from trio_stream.jsonrpc import over_http
from trio_stream.jsonrpc.over_http import OverHttp, Passed
from trio_stream.jsonrpc.passing import Passing


def post(to: Passing, body: object, *, may_post: bool = True) -> Awaitable[Passed]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = OverHttp(to).answer("POST", "/", b"", raw, may_post=may_post)
    assert answer is not None
    return answer


def get(to: Passing, path: str, query: bytes = b"", may_post: bool = True) -> Any:
    return OverHttp(to).answer("GET", path, query, b"", may_post=may_post)


def call(method: str, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method}


async def test_the_answer_is_the_nodes_own() -> None:
    node = Node(
        b"404 page", 404, **{"content-type": "text/plain", "cache-control": "x"}
    )
    async with passing(node) as to:
        assert await get(to, "/block", b"height=5") == Passed(
            404, b"404 page", "text/plain", "x"
        )
        assert await post(to, call("status")) == Passed(
            404, b"404 page", "text/plain", "x"
        )
        assert await post(to, [call("status"), call("subscribe", 2)])
        assert await post(to, b" \n")
        assert node.asked == [
            ("GET", "/block?height=5", None),
            ("POST", "/", call("status")),
            ("POST", "/", [call("status"), call("subscribe", 2)]),
            ("POST", "/", None),
        ]


async def test_what_is_no_call() -> None:
    async with passing(Node()) as to:
        http = OverHttp(to)
        for method, path in (
            ("GET", "/"),
            ("GET", "/favicon.ico"),
            ("GET", "/a/b"),
            ("GET", "/unsafe_flush_mempool"),
            ("POST", "/status"),
            ("PUT", "/status"),
        ):
            assert http.answer(method, path, b"", b"", may_post=True) is None


async def test_what_cannot_be_read() -> None:
    node = Node()
    async with passing(node) as to:
        answer = await post(to, b"nonsense")
        assert answer.status == 500 and b"Parse error" in answer.body
        assert not node.asked


async def test_large_calls_are_read_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(over_http, "LARGE", 10)
    node = Node()
    async with passing(node) as to:
        assert (await post(to, call("status"))).status == 200
        assert node.asked == [("POST", "/", call("status"))]
        assert (await post(to, b"[" * 15_000)).status == 500
        assert len(node.asked) == 1


async def test_closed_methods_do_not_exist() -> None:
    node = Node()
    async with passing(node) as to:
        await post(to, [call("dial_seeds"), 5, {"METHOD": "unsafe_x", "method": 1}])
        [(_, _, asked)] = node.asked
        assert asked == [call(""), 5, {"METHOD": "unsafe_x", "method": 1}]
        await post(to, {"method": 1, "METHOD": "unsafe_x"})
        assert node.asked[1][2] == {"method": "", "METHOD": ""}


@pytest.mark.parametrize("may_post", [True, False])
async def test_broadcasting_needs_permission(may_post: bool) -> None:
    node = Node()
    async with passing(node) as to:
        statuses = [
            (await get(to, "/broadcast_tx_sync", b"tx=1", may_post)).status,
            (await post(to, call("broadcast_tx_sync"), may_post=may_post)).status,
            (
                await post(
                    to, [call("status"), call("broadcast_tx_async")], may_post=may_post
                )
            ).status,
        ]
        assert statuses == [200 if may_post else 403] * 3
        assert len(node.asked) == 3 * may_post
        refused = await post(to, call("broadcast_tx_sync", "x"), may_post=False)
        assert json.loads(refused.body)["id"] == "x"


async def test_no_node() -> None:
    async with passing(None) as to:
        answer = await post(to, call("status", "x"))
        assert answer.status == 502
        assert json.loads(answer.body)["id"] == "x"
        assert json.loads((await get(to, "/status")).body)["id"] == -1
        assert json.loads((await post(to, [call("status")])).body)["id"] is None
        assert json.loads((await post(to, call("status", [1]))).body)["id"] is None
