"""What a server's answers mean to a client: go on elsewhere, or give up, or it is done.

Only what asking again cannot change is an error of the stream: a wrong question, another
history (400, 409), and what a server must not do. All else is a connection lost, and another
try is due: 404 may be a node that has not got there yet, 503 one that is full or behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

# The WebSocket codes that refuse: 4000 and the HTTP status.
_REFUSAL_CODES: Final = range(4400, 4600)
_FINAL: Final = (400, 409)
_DONE: Final = 1000
_TOO_BIG: Final = 1009


class StreamError(Exception):
    """The stream cannot go on, whichever server is asked."""


class Refused(StreamError):
    """A server refuses the question, or the position is of another history (400, 409).

    `details` has what the server said: error, message, oldest, tip, chain.
    """

    def __init__(self, url: str, status: int, details: Mapping[str, object]) -> None:
        super().__init__(url, status, details)
        self.url = url
        self.status = status
        self.details = dict(details)

    @property
    def reason(self) -> str:
        told = self.details.get("message") or self.details.get("error")
        return f"refused with {self.status}: {told or 'no reason given'}"

    def __str__(self) -> str:
        return f"{self.url} {self.reason}"


class NotResumable(StreamError):
    """A server does not say where its stream begins, so nothing could be resumed there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url

    def __str__(self) -> str:
        return (
            f"{self.url} does not say Stream-Position, as trio_stream does: what is missed"
            " while the connection is lost could not be had again"
        )


class ServerFault(StreamError):
    """A server sent what it must not: a repeat, a step back, no position."""


class Lost(Exception):
    """There is no connection, or no more; another try is due."""

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
    """A server ended its stream in good order."""

    def __init__(self, code: int, reason: str | None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason or ""


def refusal(url: str, rejected: Rejected) -> Refused | Lost:
    """What it means that this server answered with a status."""
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


def refusal_told(url: str, notice: Mapping[str, object]) -> Refused | Lost:
    """What the notice `refused` means."""
    status = notice.get("status")
    return _judge(url, status if isinstance(status, int) else 0, notice, "")


def closing(url: str, closed: Closed, *, until: bool) -> StreamError | Lost | None:
    """What a Close means; None: the stream has come to the end that was asked for."""
    if closed.code == _DONE and until:
        return None
    if closed.code in _REFUSAL_CODES:
        return _judge(url, closed.code - 4000, {"error": closed.reason}, "")
    if closed.code == _TOO_BIG:
        # Asking again would bring the same message again.
        return ServerFault(f"{url} sent a message that is too large ({closed.reason})")
    reason = f" {closed.reason}" if closed.reason else ""
    return Lost(f"closed with {closed.code}{reason}")


def _judge(
    url: str, status: int, details: Mapping[str, object], retry_after: str
) -> Refused | Lost:
    refused = Refused(url, status, details)
    if status in _FINAL:
        return refused
    digits = retry_after.isascii() and retry_after.isdigit()
    return Lost(refused.reason, float(retry_after) if digits else 0)
