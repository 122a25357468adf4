"""What a server's answer means to a client: try again elsewhere, give up, or finished.

Only what cannot change on another attempt is an error of the stream: an invalid request or another
history (400, 409), a missing or wrong token (401, 403), a position that was pruned (410, unless
another server keeps more), a stream that the server does not have, and behaviour that is forbidden
to a server. Everything else counts as a lost connection and is retried: 404 may come from a node
that has not reached the position yet, 503 from one that is full or behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

# WebSocket close codes of refusals: 4000 plus the HTTP status.
_REFUSAL_CODES: Final = range(4400, 4600)
GONE: Final = 410
"""The status if what comes next has been pruned."""
_FINAL: Final = (400, 401, 403, 409, GONE)
# What a 404 says that would be the same for ever: the chain is of another kind.
_UNKNOWN_STREAM: Final = "unknown_stream"
_DONE: Final = 1000
_TOO_BIG: Final = 1009


class StreamError(Exception):
    """The stream cannot go on with any server."""


class Refused(StreamError):
    """A server refuses the request (400), the token (401, 403), or the position.

    The position is of another history (409), or no server has what follows it any more (410). A
    server that has no such stream refuses with 404.

    `details` has what the server said: error, message, oldest, tip, chain.
    """

    def __init__(self, url: str, status: int, details: Mapping[str, object]) -> None:
        super().__init__(url, status, details)
        self.url = url
        self.status = status
        self.details = dict(details)

    @property
    def reason(self) -> str:
        said = self.details.get("message") or self.details.get("error")
        return f"refused with {self.status}: {said or 'no reason given'}"

    def __str__(self) -> str:
        return f"{self.url} {self.reason}"


class NotResumable(StreamError):
    """A server does not say where its stream begins, so the stream could not be resumed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.url} does not send Stream-Position, as trio_stream does: what is missed"
            " while the connection is lost could not be fetched later"
        )


class ServerFault(StreamError):
    """A server broke the protocol: a repeat, a step back, a missing position."""


class Lost(Exception):
    """The connection failed or was lost; retry."""

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason, retry_after)
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.reason


class Rejected(Exception):
    """A server answered with a status instead of a stream."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status, headers, body)
        self.status = status
        self.headers = headers
        self.body = body


class Closed(Exception):
    """A server ended its stream with a Close."""

    def __init__(self, code: int, reason: str | None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""


def refusal(url: str, rejected: Rejected) -> Refused | Lost:
    """What a status instead of a stream means."""
    try:
        details = json.loads(rejected.body)
    except ValueError:
        details = None
    if not isinstance(details, dict):
        text = rejected.body[:300].decode("utf-8", "replace").strip()
        details = {"message": " ".join(text.split())}
    return _judge(
        url, rejected.status, details, rejected.headers.get("retry-after", "")
    )


def refusal_notice(url: str, notice: Mapping[str, object]) -> Refused | Lost:
    """What a `refused` notice means."""
    status = notice.get("status")
    return _judge(url, status if isinstance(status, int) else 0, notice, "")


def closing(url: str, closed: Closed, *, until: bool) -> StreamError | Lost | None:
    """What a Close means; None if the stream has reached the requested end."""
    if closed.code == _DONE and until:
        return None
    if closed.code in _REFUSAL_CODES:
        return _judge(url, closed.code - 4000, {"error": closed.reason}, "")
    if closed.code == _TOO_BIG:
        # Another attempt would get the same message again.
        return ServerFault(f"{url} sent a message that is too large ({closed.reason})")
    reason = f" {closed.reason}" if closed.reason else ""
    return Lost(f"closed with {closed.code}{reason}")


def _judge(
    url: str, status: int, details: Mapping[str, object], retry_after: str
) -> Refused | Lost:
    refused = Refused(url, status, details)
    if status in _FINAL or details.get("error") == _UNKNOWN_STREAM:
        return refused
    digits = retry_after.isascii() and retry_after.isdigit()
    return Lost(refused.reason, float(retry_after) if digits else 0)
