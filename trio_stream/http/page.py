"""The live page: what browsers get at `/`, where programs get the index document.

It consists of files, and uses nothing but the API and the streams that everybody has. Its security
policy lets it load from this node alone, run no script that is written into it, and open streams.
"""

# Quart runs handlers that are not coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from trio_stream.http.answers import JSON, HttpAnswer
from trio_stream.http.files import CLIENT, StaticFile, add_file, respond

PARTS: Final = (
    "api.js",
    "colors.css",
    "dom.js",
    "examples.js",
    "feed.js",
    "follower.js",
    "icon.svg",
    "node.js",
    "page.css",
    "page.js",
    "plot.js",
    "sample.js",
    "search.js",
    "sha3.js",
)
"""What the page loads, at `/static/`; the manual has its colours and its icon."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)


_PAGE: Final = "text/html"


def add_page(
    app: QuartTrio,
    index: Callable[[], Awaitable[HttpAnswer]],
    *,
    is_posted_to: bool = False,
) -> None:
    """Serve the page, its parts and the client; `index` is what programs get at `/`.

    `is_posted_to` says that something is posted to `/`, which is answered elsewhere.
    """
    policy = ("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")
    page = StaticFile.read("page.html", *policy)

    @app.route("/", methods=["GET", "POST"] if is_posted_to else ["GET"])
    async def root() -> Response:
        kinds = request.accept_mimetypes
        # The first one is for those to whom both are equal, as to `*/*`.
        if kinds.best_match([JSON, _PAGE]) == _PAGE:
            response = respond(page)
        else:
            said = await index()
            response = Response(said.body, content_type=said.content_type)
        response.vary.add("Accept")
        return response

    for name in PARTS:
        add_file(app, f"/static/{name}", StaticFile.read(name))
    for name in CLIENT:
        add_file(app, f"/{name}", StaticFile.read(name))
