from __future__ import annotations

import json
from contextlib import ExitStack

import pytest

from tests.jsonrpc.nodes import Node, passing
from trio_stream.jsonrpc.answers import Failure
from trio_stream.jsonrpc.calls import Call
from trio_stream.jsonrpc.passed_calls import PassedCalls
from trio_stream.jsonrpc.passing import Passing


async def passed(to: Passing, call: Call, *, may_post: bool) -> bytes:
    with ExitStack() as until_sent:
        return await PassedCalls(to)(call, may_post=may_post, until_sent=until_sent)


CALL = Call(7, "block", {"height": "5"}, True)


async def test_calls_are_passed_and_answered() -> None:
    node = Node(b'{"jsonrpc":"2.0","id":7,"result":{"a":1}}')
    async with passing(node) as to:
        answer = await passed(to, CALL, may_post=False)
        assert json.loads(answer)["result"] == {"a": 1}
        assert node.asked == [("POST", "/", json.loads(CALL.encode()))]


async def test_wrong_parameters_have_another_code_on_a_websocket() -> None:
    error = {"code": -32602, "message": "Invalid params", "data": "error converting"}
    for body, code in (
        (json.dumps({"id": 7, "error": error}), -32603),
        (json.dumps({"id": 7, "error": {"code": -32601}, "x": -32602}), -32601),
    ):
        async with passing(Node(body.encode())) as to:
            answer = json.loads(await passed(to, CALL, may_post=False))
            assert answer["error"]["code"] == code
    deep = b'{"-32602":' * 6_000
    for text in (b'{"error":-32602}', b'{"-32602"', deep):
        async with passing(Node(text)) as to:
            assert await passed(to, CALL, may_post=False) == text
    large = b'{"result":"%b-32602"}' % (b"x" * 70_000)
    async with passing(Node(large)) as to:
        assert await passed(to, CALL, may_post=False) == large


async def test_what_is_not_passed() -> None:
    node = Node()
    async with passing(node) as to:
        with pytest.raises(Failure) as caught:
            await passed(to, Call(1, "unsafe_flush_mempool"), may_post=True)
        assert b"Method not found" in caught.value.answer(1)
        with pytest.raises(Failure, match="does not allow 'post'"):
            await passed(to, Call(1, "broadcast_tx_sync"), may_post=False)
        assert not node.asked
        await passed(to, Call(1, "broadcast_tx_sync"), may_post=True)
        assert len(node.asked) == 1


async def test_failures() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    async with passing(Node()) as to:
        with pytest.raises(Failure, match="nesting"):
            await passed(to, CALL._replace(params=deep), may_post=True)
    async with passing(None) as to:
        with pytest.raises(Failure, match="no node answers"):
            await passed(to, CALL, may_post=True)
    async with passing(Node(b"<html>", 500)) as to:
        with pytest.raises(Failure, match="status 500 and no JSON"):
            await passed(to, CALL, may_post=True)
