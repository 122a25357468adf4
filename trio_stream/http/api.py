"""The HTTP API on Quart-Trio, as every kind of daemon has it: streams, pages, errors, headers.

What one kind answers by itself is in its `http.routes.Routes`. The most frequent requests are also
answered without Quart, and plain ones without hypercorn (`direct`), since those two take most of a
request's time. Only POST uses a body.
"""

# Quart runs handlers that are not coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from quart import Response, request
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
)

from trio_stream.access.guard import Guard
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.body import Body, Disconnected, Receive, Send, headers_of, write
from trio_stream.http.manual import add_manual
from trio_stream.http.page import add_page
from trio_stream.http.plain import Plain
from trio_stream.http.routes import Coming, Get, Lookup, Post, Routes
from trio_stream.http.rules import Digits, MatchedRule
from trio_stream.http.subscriptions import NOT_EVENTS, Subscriptions
from trio_stream.http.tickets import add_tickets, everything_allowed
from trio_stream.log.errors import ends_process
from trio_stream.stream.selection import STREAMS_PATH
from trio_stream.stream.streams import PULL_PATH

logger = logging.getLogger(__name__)


class _Request(TrioASGIHTTPConnection):
    """Takes a request as Quart does, but drains its body, which none of Quart's routes uses."""

    async def __call__(self, receive: Receive, send: Send) -> None:
        taken = self._create_request_from_scope(send)
        taken.body.set_complete()
        body = Body(receive, 0)
        try:
            await body.read()
        except Disconnected:
            return
        try:
            answer = await self.app.handle_request(taken)
        except HTTPException:
            # Raised for a `Host` that cannot be routed, before Quart's error handlers apply.
            origin = taken.headers.get("Origin")
            respond = partial(write, send, answers.UNREADABLE, origin)
        else:
            respond = partial(self._send_response, send, answer)
        finally:
            # The exception's traceback holds the request, which holds the exception.
            taken.routing_exception = None
        await body.answered_by(respond)


class Api(QuartTrio):
    """The application: what every kind of daemon serves, and the routes of this one."""

    asgi_http_class = _Request
    url_rule_class = MatchedRule  # type: ignore[assignment]  # as Quart's own

    def __init__(
        self,
        routes: Routes,
        subscriptions: Subscriptions,
        *,
        max_body_bytes: int,
        guard: Guard | None = None,
    ) -> None:
        """`guard` makes tickets."""
        super().__init__(__name__, static_folder=None)
        self._routes = routes
        self.subscriptions = subscriptions
        self._max_body_bytes = max_body_bytes
        # Quart would cut an answer after a minute, however much of it the peer is taking.
        self.config["RESPONSE_TIMEOUT"] = None
        self.url_map.strict_slashes = False
        self.url_map.converters.update(digits=Digits)
        _add_errors(self, routes)
        _add_routes(self, routes)
        add_tickets(self, guard or everything_allowed())
        self._paths = frozenset(rule.rule for rule in self.url_map.iter_rules())

    def direct(self, request: Plain) -> Coming | None:
        """The answer to a request without Quart, if it is one of those that come all day."""
        routes = self._routes
        if request.method == "POST":
            post = routes.posts.get(request.path)
            return None if post is None else _posted(post, request)
        found = routes.find(request.path, request.query)
        if found is None and routes.others and request.path not in self._paths:
            return routes.others(request)
        return found

    def lasting(self) -> int:
        """How many requests are in progress that end when the channel does."""
        return self.subscriptions.present

    async def asgi_app(self, scope: Any, receive: Receive, send: Send) -> None:
        begun = False

        async def begin(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answer(scope, receive, begin)
        except Exception as error:
            if begun or ends_process(error):
                raise  # which ends the connection, or the process
            logger.exception("%s %s", scope["method"], scope["path"])
            origin = headers_of(scope).get(b"origin")
            await write(send, answers.FAILED, origin, ("connection", "close"))

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == "POST" and (post := self._routes.posts.get(scope["path"])):
            await self._post(post, scope, receive, send)
        elif method == "GET" and (serve := self.subscriptions.door_of(scope)):
            await serve(receive, send)
        else:
            await super().asgi_app(scope, receive, send)

    async def _post(self, post: Post, scope: Any, receive: Receive, send: Send) -> None:
        body = Body(receive, self._max_body_bytes)
        try:
            data = await body.read()
        except Disconnected:
            return
        answer, asked = answers.TOO_LARGE, _plain(scope, data or b"")
        if data is not None:
            answer = await _posted(post, asked)
        await body.answered_by(partial(write, send, answer, asked.origin))


async def _posted(post: Post, request: Plain) -> HttpAnswer:
    try:
        return await post(request)
    except Exception as error:
        if ends_process(error):
            raise
        logger.exception("unhandled error while answering POST %s", request.path)
        return answers.FAILED


async def _get(get: Get) -> Response:
    return _response(await get(request.query_string))


async def _look_up(lookup: Lookup, name: str) -> Response:
    return _response(await lookup.answer(name))


def _add_routes(app: Api, routes: Routes) -> None:
    for path, get in routes.gets.items():
        # POST is answered in front of Quart; it is listed here for the `Allow` header.
        methods = ["GET", "POST"] if path in routes.posts else ["GET"]
        app.add_url_rule(path, path, partial(_get, get), methods=methods)
    for before, lookup in routes.lookups.items():
        rule = f"{before}<{'digits:' if lookup.digits else ''}name>"
        app.add_url_rule(rule, rule, partial(_look_up, lookup))
    add_page(app, routes.root, is_posted_to="/" in routes.posts)
    add_manual(app)

    # Streams and pulls are answered in front of Quart; these routes get the other requests.
    @app.get(f"{STREAMS_PATH}<any({','.join(routes.streams)}):_>")
    async def stream(_: str) -> Response:
        return _response(NOT_EVENTS)

    @app.get(PULL_PATH)
    async def events() -> Response:
        return _response(HttpAnswer(200, b""))


def _add_errors(app: Api, routes: Routes) -> None:
    @app.errorhandler(NotFound)
    async def no_such_path(_: HTTPException) -> Response:
        coming = None
        if routes.others is not None and request.method == "GET":
            coming = routes.others(_plain(request.scope))
        if coming is None:
            return _response(routes.no_such_path(request.path))
        return _response(await coming)

    @app.errorhandler(MethodNotAllowed)
    async def method_not_allowed(error: MethodNotAllowed) -> Response:
        response = _response(answers.METHOD_NOT_ALLOWED)
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
        return response

    @app.errorhandler(InternalServerError)
    async def failed(error: InternalServerError) -> Response:
        if (cause := error.original_exception) and ends_process(cause):
            raise cause
        return _response(answers.FAILED)

    @app.after_request
    async def allow_any_origin(response: Response) -> Response:
        asked = request.headers
        fields = answers.cors(asked.get("Origin"))
        if request.method == "OPTIONS":
            fields += answers.preflight(
                asked.get("Access-Control-Request-Method"),
                asked.get("Access-Control-Request-Headers"),
            )
        for name, value in fields:
            if name == "Vary":
                response.vary.add(value)
            else:
                response.headers[name] = value
        return response


def _response(answer: HttpAnswer | Streamed) -> Response:
    if isinstance(answer, Streamed):
        return Response(answer, 200, content_type=answers.JSON)
    headers = dict(answer.more_headers)
    return Response(
        answer.body, answer.status, headers, content_type=answer.content_type
    )


def _plain(scope: Any, body: bytes = b"") -> Plain:
    """The request of this scope, as if it had been plain."""
    fields: dict[bytes, bytes] = dict(scope["headers"])
    origin = fields.get(b"origin")
    return Plain(
        scope["method"],
        scope["path"],
        scope["query_string"],
        fields.get(b"content-type", b"").decode("latin-1"),
        None if origin is None else origin.decode("latin-1"),
        body,
        fields,
    )
