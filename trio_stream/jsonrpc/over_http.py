"""JSON-RPC over HTTP: `POST /` with one call or several, and `GET /METHOD`, answered by a node.

The answer is the node's own: its status, its body. `subscribe` is no method there.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import trio

from trio_stream.jsonrpc.answers import INTERNAL_ERROR, Unreadable, dumps, failure
from trio_stream.jsonrpc.calls import read_json
from trio_stream.jsonrpc.passed_calls import NOT_ALLOWED
from trio_stream.jsonrpc.passing import Passing, Unavailable
from trio_stream.jsonrpc.permits import is_closed, is_posting

JSON: Final = "application/json"

LARGE: Final = 1024 * 1024
"""Bytes of a body that are not read between two tasks: in some milliseconds, if it has few values
(`calls.MOST_VALUES`)."""

T = TypeVar("T")

_METHOD: Final = re.compile(r"/([0-9A-Za-z_]{1,64})")
_GET_ID: Final = -1
"""What the engine answers a GET with."""


class Passed(NamedTuple):
    """An answer over HTTP."""

    status: int
    body: bytes
    content_type: str = JSON
    cache_control: str | None = None


class OverHttp:
    """Answers requests with what a node answers."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing

    def answer(
        self, method: str, path: str, query: bytes, body: bytes, *, may_post: bool
    ) -> Awaitable[Passed] | None:
        """The answer to a request; None if it is no call. `path` is decoded."""
        if method == "POST" and path == "/":
            return self._posted(body, may_post)
        found = _METHOD.fullmatch(path)
        if method != "GET" or found is None or is_closed(found[1]):
            return None
        if is_posting(found[1]) and not may_post:
            return self._refused(_GET_ID)
        target = path + ("?" + query.decode("latin-1") if query else "")
        return self._ask("GET", target, b"", once=is_posting(found[1]), id=_GET_ID)

    async def _posted(self, body: bytes, may_post: bool) -> Passed:
        try:
            document = await _read(body)
        except Unreadable as error:
            if not body.strip():
                # The node shows what it offers.
                return await self._ask("POST", "", b"", once=False, id=None)
            return Passed(500, error.answer(empty_id=False))
        calls = document if isinstance(document, list) else [document]
        once = False
        for call in calls:
            if not isinstance(call, dict):
                continue
            name = _method(call)
            if is_closed(name):
                # The node answers that there is no such method.
                for each in [each for each in call if each.lower() == "method"]:
                    call[each] = ""
            elif is_posting(name):
                once = True
                if not may_post:
                    return await self._refused(_id(call))
        # What was read is what is passed, so that no node can read it in another way.
        id = _id(document) if isinstance(document, dict) else None
        asked = await _in_turn(partial(dumps, document), len(body))
        return await self._ask("POST", "", asked, once=once, id=id)

    async def _refused(self, id: Any) -> Passed:
        await trio.lowlevel.checkpoint()
        return Passed(403, failure(id, INTERNAL_ERROR, NOT_ALLOWED))

    async def _ask(
        self, method: str, target: str, body: bytes, *, once: bool, id: Any
    ) -> Passed:
        try:
            reply = await self._passing.ask(method, target, body, once=once)
        except Unavailable as error:
            return Passed(error.status, failure(id, INTERNAL_ERROR, str(error)))
        headers = reply.headers
        return Passed(
            reply.status,
            reply.body,
            headers.get("content-type", JSON),
            headers.get("cache-control"),
        )


async def _read(body: bytes) -> Any:
    read = partial(read_json, body.decode("utf-8", "replace"))
    return await _in_turn(read, len(body))


async def _in_turn(make: Callable[[], T], size: int) -> T:
    """What `make` returns, made in a thread if that is much."""
    if size <= LARGE:
        return make()
    return await trio.to_thread.run_sync(make)


def _folded(call: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in call.items()}


def _method(call: Mapping[str, Any]) -> str:
    name = _folded(call).get("method")
    return name if isinstance(name, str) else ""


def _id(call: Mapping[str, Any]) -> Any:
    id = _folded(call).get("id")
    return id if isinstance(id, (str, int)) else None
