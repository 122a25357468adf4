"""The answers of the HTTP API as bytes: BigchainDB's two styles of JSON, its errors and headers.

*Compact* JSON is what BigchainDB wrote itself: members sorted by name, no blanks. *Spaced* JSON is
what its framework wrote: members in the given order, a blank after each comma and colon. Both end
with a newline and escape everything outside ASCII. Programs compare these bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl

from trio_stream.stream.names import meant_by

JSON = "application/json"
HTML = "text/html; charset=utf-8"

_DOCS = "https://docs.bigchaindb.com/projects/server/en/v2.2.2/"
# The version of BigchainDB that this behaves like; programs read it.
_VERSION = "2.2.2"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class HttpAnswer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    content_type: str = JSON
    retry_after: int | None = None
    """Seconds after which another attempt is worthwhile."""
    others: tuple[tuple[str, str], ...] = ()
    """More headers."""

    @property
    def more_headers(self) -> list[tuple[str, str]]:
        if self.retry_after is None:
            return list(self.others)
        return [("retry-after", str(self.retry_after)), *self.others]


def compact(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii") + b"\n"


def spaced(value: object) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


def error(status: int, message: str) -> HttpAnswer:
    """An error in BigchainDB's own form."""
    return HttpAnswer(status, compact({"message": message, "status": status}))


def framework_error(status: int, message: object) -> HttpAnswer:
    """An error in the form of its framework; for a parameter, an object with its name."""
    return HttpAnswer(status, spaced({"message": message}))


NOT_FOUND = error(404, "Not found")
UNREADABLE = framework_error(
    400,
    "The browser (or proxy) sent a request that this server could not understand.",
)
METHOD_NOT_ALLOWED = framework_error(
    405, "The method is not allowed for the requested URL."
)
TOO_LARGE = framework_error(
    413, "The data value transmitted exceeds the capacity limit."
)
FAILED = framework_error(500, "Internal Server Error")
NO_SUCH_PATH = HttpAnswer(
    404,
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n'
    b"<title>404 Not Found</title>\n"
    b"<h1>Not Found</h1>\n"
    b"<p>The requested URL was not found on the server. If you entered the URL manually"
    b" please check your spelling and try again.</p>\n",
    HTML,
)


def root(streams_url: str) -> bytes:
    """The document at `/`."""
    return compact(
        {
            "api": {"v1": _index("/api/v1", streams_url)},
            "docs": _DOCS,
            "software": "BigchainDB",
            "version": _VERSION,
        }
    )


def api_root(streams_url: str) -> bytes:
    """The document at `/api/v1/`, whose paths are relative to it."""
    return compact(_index("", streams_url))


def _index(prefix: str, streams_url: str) -> dict[str, str]:
    return {
        "assets": f"{prefix}/assets/",
        "blocks": f"{prefix}/blocks/",
        "docs": f"{_DOCS}http-client-server-api.html",
        "metadata": f"{prefix}/metadata/",
        "outputs": f"{prefix}/outputs/",
        "streams": streams_url,
        "transactions": f"{prefix}/transactions/",
        "validators": f"{prefix}/validators",
    }


def cors(origin: str | None) -> list[tuple[str, str]]:
    """The headers that allow a page of any origin to read the answer."""
    if origin is None:
        return [("Access-Control-Allow-Origin", "*")]
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]


def preflight(method: str | None, headers: str | None) -> list[tuple[str, str]]:
    """The headers that OPTIONS adds, for the request that a browser is about to make."""
    if method is None or method.upper() not in _METHODS:
        return []
    allowed = [("Access-Control-Allow-Methods", ", ".join(_METHODS))]
    if headers:
        names = sorted(name.strip() for name in headers.split(",") if name.strip())
        allowed.append(("Access-Control-Allow-Headers", ", ".join(names)))
    return allowed


def parameters(query: bytes) -> dict[str, list[str]]:
    """All values in the query string, by name and in order; empty values count."""
    found: dict[str, list[str]] = {}
    for name, value in _pairs(query):
        found.setdefault(name, []).append(value)
    return found


def misspelt(given: Iterable[str], known: Collection[str]) -> HttpAnswer | None:
    """The refusal of the first unknown name that resembles a known one.

    BigchainDB ignores unknown parameters, and so do we, unless one is clearly a misspelt name.
    """
    for name in given:
        if name not in known and (meant := meant_by(name, known)):
            message = f"Unknown arguments: {name[:100]}. Did you mean {meant}?"
            return framework_error(400, message)
    return None


def _pairs(query: bytes) -> Iterable[tuple[str, str]]:
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace")
