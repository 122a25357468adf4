"""Files that browsers are served: the JavaScript client, and what the live page consists of.

They are read once, at the start: nobody can make the node read others. A browser keeps a copy and
asks each time whether it is still current (`ETag`), so that after an upgrade none uses old files.
"""

# Quart runs handlers that are not coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from quart import Response, request
from quart_trio import QuartTrio

FOLDER: Final = Path(__file__).parent / "static"

CLIENT: Final = ("client.js", "client.d.ts")
"""What programs load that follow a stream in JavaScript or TypeScript."""

_CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    # What TypeScript reads is no program to a browser.
    ".d.ts": "text/plain; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """A file, and the headers that it is served with."""

    body: bytes
    content_type: str
    etag: str
    more_headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, name: str, *more_headers: tuple[str, str]) -> StaticFile:
        """The file of this name in the package."""
        body = (FOLDER / name).read_bytes()
        suffix = name[name.index(".") :]
        return cls.of(body, _CONTENT_TYPES[suffix], *more_headers)

    @classmethod
    def of(
        cls, body: bytes, content_type: str, *more_headers: tuple[str, str]
    ) -> StaticFile:
        """A file of this content."""
        etag = hashlib.sha256(body).hexdigest()[:16]
        return cls(body, content_type, etag, more_headers)


def add_file(app: QuartTrio, path: str, file: StaticFile) -> None:
    """Serve `file` at `path`."""

    async def serve() -> Response:
        return respond(file)

    app.add_url_rule(path, path, serve)


def respond(file: StaticFile) -> Response:
    """The file, or 304 if the browser that asks has it."""
    current = request.if_none_match.contains_weak(file.etag)
    response = Response(b"" if current else file.body, 304 if current else 200)
    # Known by its content: what an upgrade has changed is fetched anew, and nothing else.
    response.set_etag(file.etag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Type"] = file.content_type
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.update(file.more_headers)
    return response
