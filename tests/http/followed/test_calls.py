from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
import trio

from tests.access.test_tokens import SECRET, entry
from trio_stream.access.guard import Guard
from trio_stream.access.tokens import read_tokens
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.calls import answered_by
from trio_stream.http.plain import Plain
from trio_stream.jsonrpc.over_http import Passed


class Node:
    """Says what it was asked."""

    def __init__(self, **more: Any) -> None:
        self.asked: list[tuple[str, str, bytes, bytes, bool]] = []
        self._more = more

    def answer(
        self, method: str, path: str, query: bytes, body: bytes, *, may_post: bool
    ) -> Awaitable[Passed] | None:
        self.asked.append((method, path, query, body, may_post))
        return self._said() if path == "/status" else None

    async def _said(self) -> Passed:
        await trio.lowlevel.checkpoint()
        return Passed(500, b"said", "text/plain", **self._more)


def asked(path: str, authorization: str = "") -> Plain:
    fields = {b"authorization": authorization.encode()}
    return Plain("GET", path, b"a=1", "", None, b"body", fields)


async def test_an_answer_is_passed_on() -> None:
    node = Node()
    answer = answered_by(node.answer, None)
    coming = answer(asked("/status"))
    assert coming is not None
    assert await coming == HttpAnswer(500, b"said", "text/plain")
    assert node.asked == [("GET", "/status", b"a=1", b"body", True)]
    assert answer(asked("/other")) is None


async def test_how_long_it_may_be_kept_is_passed_on_too() -> None:
    coming = answered_by(Node(cache_control="public").answer, None)(asked("/status"))
    assert coming is not None
    said = await coming
    assert isinstance(said, HttpAnswer)
    assert said.others == (("cache-control", "public"),)


@pytest.mark.parametrize(("may", "posts"), [('["read"]', False), ('["post"]', True)])
def test_permissions(may: str, posts: bool) -> None:
    tokens = read_tokens(entry(may=may))
    guard = Guard(tokens=tokens, make_ticket=lambda: "t", clock=lambda: 0.0)
    node = Node()
    answer = answered_by(node.answer, guard)
    answer(asked("/a", f"Bearer {SECRET}"))
    answer(asked("/a"))
    assert [each[-1] for each in node.asked] == [posts, False]
