"""Calls of a node's JSON-RPC over HTTP, which somebody else has answered by a node."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from trio_stream.access.guard import Guard
from trio_stream.access.tokens import Permission
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.plain import Plain
from trio_stream.http.routes import Coming, Others


class PassedAnswer(Protocol):
    """What a node answers."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def content_type(self) -> str: ...

    @property
    def cache_control(self) -> str | None: ...


class Passes(Protocol):
    """Has a request answered by a node; None if it is no call."""

    def __call__(
        self, method: str, path: str, query: bytes, body: bytes, *, may_post: bool
    ) -> Awaitable[PassedAnswer] | None: ...


def answered_by(passes: Passes, guard: Guard | None) -> Others:
    """The answers to calls."""

    def answer(request: Plain) -> Coming | None:
        authorization = request.fields.get(b"authorization", b"").decode("latin-1")
        coming = passes(
            request.method,
            request.path,
            request.query,
            request.body,
            may_post=guard is None or guard.allows(authorization, Permission.POST),
        )
        return None if coming is None else _plainly(coming)

    return answer


async def _plainly(coming: Awaitable[PassedAnswer]) -> HttpAnswer:
    passed = await coming
    cached = passed.cache_control
    others = () if cached is None else (("cache-control", cached),)
    return HttpAnswer(passed.status, passed.body, passed.content_type, others=others)
