"""Calls from a WebSocket, passed to a node over HTTP and answered as over a WebSocket."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Final

from trio_stream.jsonrpc.answers import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    Failure,
    dumps,
)
from trio_stream.jsonrpc.calls import Call
from trio_stream.jsonrpc.passing import Passing, Unavailable
from trio_stream.jsonrpc.permits import is_closed, is_posting

NOT_ALLOWED: Final = "this token does not allow 'post'"

_ERROR_BYTES: Final = 64 * 1024
"""Answers above that are no errors about parameters."""


class PassedCalls:
    """Answers a call with what a node answers."""

    def __init__(self, passing: Passing) -> None:
        self._passing = passing

    async def __call__(
        self, call: Call, *, may_post: bool, until_sent: ExitStack
    ) -> bytes:
        """The whole answer, which takes room until it is sent; raises Failure."""
        if is_closed(call.method):
            raise Failure(None, METHOD_NOT_FOUND)
        posting = is_posting(call.method)
        if posting and not may_post:
            raise Failure(NOT_ALLOWED)
        try:
            asked = call.encode()
        except RecursionError:
            raise Failure("the nesting is beyond limits") from None
        share = until_sent.enter_context(self._passing.shares.one())
        try:
            reply = await self._passing.ask(
                "POST", "", asked, once=posting, share=share
            )
        except Unavailable as error:
            raise Failure(str(error)) from None
        body = reply.body
        if not body.startswith(b"{"):
            raise Failure(f"the node answers with status {reply.status} and no JSON")
        return _as_over_websocket(body) if len(body) < _ERROR_BYTES else body


def _as_over_websocket(body: bytes) -> bytes:
    """The engine gives wrong parameters another code there."""
    if b"%d" % INVALID_PARAMS not in body:
        return body
    try:
        answer = json.loads(body)
        error = answer["error"]
        if error["code"] != INVALID_PARAMS:
            return body
    except (ValueError, LookupError, TypeError, RecursionError):
        return body
    error.update(code=INTERNAL_ERROR, message="Internal error")
    return dumps(answer)
