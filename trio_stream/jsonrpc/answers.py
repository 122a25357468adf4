"""What the engine answers to calls, as texts."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

Id = str | int | None

PARSE_ERROR: Final = -32700
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000

MESSAGES: Final = {
    PARSE_ERROR: "Parse error. Invalid JSON",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
    SERVER_ERROR: "Server error",
}

ALREADY_SUBSCRIBED: Final = "already subscribed"
NOT_FOUND: Final = "subscription not found"
TOO_LONG: Final = "maximum query length exceeded"

PANICKED: Final = -1
EARLY_PANICKED: Final = "unknown"
"""The ids that the engine answers with if there are no parameters where there must be; the second
one up to 0.32."""


class Failure(Exception):
    """A call that is answered with an error."""

    def __init__(
        self,
        data: str | None,
        code: int = INTERNAL_ERROR,
        as_id: Id = None,
    ) -> None:
        super().__init__(data, code, as_id)
        self.data = data
        self.code = code
        self.as_id = as_id
        """An id to answer with, in place of the call's."""

    def answer(self, id: Id) -> bytes:
        """The answer to the call with that id."""
        return failure(id if self.as_id is None else self.as_id, self.code, self.data)


class Unreadable(Exception):
    """A message that is no call; it has no id."""

    def answer(self, *, empty_id: bool) -> bytes:
        """The answer; with `empty_id` it has an id, as up to 0.32."""
        data = f"error unmarshaling request: {self}"
        return _text(
            {**({"id": ""} if empty_id else {}), "error": _error(PARSE_ERROR, data)}
        )


class Cancelled(NamedTuple):
    """Why a subscription ends, and where another one may resume."""

    reason: str
    after: str


def success(id: Id) -> bytes:
    """The answer to a call that has been done."""
    return _text({"id": id, "result": {}})


def failure(id: Id, code: int, data: str | None) -> bytes:
    """The answer to a call that is refused."""
    return _text({"id": id, "error": _error(code, data)})


def cancelled(id_text: bytes, cancelled: Cancelled) -> bytes:
    """What the engine says when it ends a subscription by itself, and where to go on."""
    data = f"subscription was canceled (reason: {cancelled.reason})"
    error = {**_error(SERVER_ERROR, data), "after": cancelled.after}
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (id_text, dumps(error))


def dumps(value: object) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _error(code: int, data: str | None) -> dict[str, object]:
    said = {} if data is None else {"data": data}
    return {"code": code, "message": MESSAGES[code], **said}


def _text(members: dict[str, object]) -> bytes:
    return dumps({"jsonrpc": "2.0", **members})
