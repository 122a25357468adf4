"""BigchainDB's HTTP API on Quart-Trio: all routes, errors and headers.

`http.answers` has the texts, `http.routes` what GET reads, `http.submit` what becomes of a posted
transaction. The most frequent requests are also answered without Quart, and plain ones without
hypercorn (`direct`), since those two take most of a request's time. Only POST uses a body.
"""

# Quart runs handlers that are not coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

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
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.body import Body, Disconnected, Receive, Send, headers_of, write
from trio_stream.http.manual import add_manual
from trio_stream.http.page import add_page
from trio_stream.http.pages import Lookups, Streamed
from trio_stream.http.plain import Plain
from trio_stream.http.pull import PULL_PATH
from trio_stream.http.reads import CheckOutcomes
from trio_stream.http.routes import (
    API,
    BLOCK,
    ELECTION,
    SUBMIT_PATHS,
    TRANSACTION,
    TRANSACTIONS,
    Get,
    Routes,
)
from trio_stream.http.rules import Digits, MatchedRule, StreamName
from trio_stream.http.submit import Broadcaster, Examiner, Posts, Submission
from trio_stream.http.subscriptions import NOT_EVENTS, Subscriptions
from trio_stream.http.tickets import add_tickets, everything_allowed
from trio_stream.log.errors import ends_process
from trio_stream.stream.admission import Admission
from trio_stream.stream.selection import STREAMS_PATH

logger = logging.getLogger(__name__)

# Of the server's 4,096 connections; the rest are kept for other requests.
MAX_STREAMS = 3072

OPENAPI = Path(__file__).parent / "openapi.json"


class ApiReader(Examiner, Lookups, Protocol):
    """What the API asks of the committed state."""


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
    """The application, over a committed state, its checks and commits, and a consensus engine."""

    asgi_http_class = _Request
    url_rule_class = MatchedRule  # type: ignore[assignment]  # as Quart's own

    def __init__(
        self,
        *,
        reader: ApiReader,
        engine: Broadcaster,
        channel: CommitChannel,
        checks: CheckOutcomes,
        streams_url: str,
        commit_timeout: float,
        max_body_bytes: int,
        admission: Admission | None = None,
        max_streams: int = MAX_STREAMS,
        observed: Mapping[str, Get] | None = None,
        guard: Guard | None = None,
        ended: Callable[[], object | None] = lambda: None,
    ) -> None:
        """At most `max_streams` of the clients that `admission` lets in follow the channel here.

        `guard` makes tickets, and ends streams whose token becomes invalid. `observed` answers what
        is asked about the node itself, by path. While the chain has `ended`, nothing can be posted.
        """
        super().__init__(__name__, static_folder=None)
        self.subscriptions = Subscriptions(
            channel, admission or Admission(), most=max_streams, guard=guard
        )
        self._submission = Submission(
            reader, engine, channel, commit_timeout=commit_timeout, ended=ended
        )
        self._routes = Routes(
            reader, checks, run_sync=channel.run_in_turn, others=observed
        )
        self._max_body_bytes = max_body_bytes
        # Quart would cut an answer after a minute, however much of it the peer is taking.
        self.config["RESPONSE_TIMEOUT"] = None
        self.url_map.strict_slashes = False
        self.url_map.converters.update(digits=Digits, stream=StreamName)
        _add_errors(self)
        _add_routes(self, self._routes, streams_url)
        add_tickets(self, guard or everything_allowed())

    @property
    def posts(self) -> Posts:
        """The posts since the start."""
        return self._submission.posts

    def direct(self, request: Plain) -> Awaitable[HttpAnswer | Streamed] | None:
        """The answer to a request without Quart, if it is one of those that come all day."""
        if request.method != "POST":
            return self._routes.find(request.path, request.query)
        if request.path in SUBMIT_PATHS:
            return self._submit(request.query, request.content_type, request.body)
        return None

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
        if method == "POST" and scope["path"] in SUBMIT_PATHS:
            await self._post(scope, receive, send)
        elif method == "GET" and (serve := self.subscriptions.door_of(scope)):
            await serve(receive, send)
        else:
            await super().asgi_app(scope, receive, send)

    async def _post(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        body = Body(receive, self._max_body_bytes)
        try:
            data = await body.read()
        except Disconnected:
            return
        answer = answers.TOO_LARGE
        if data is not None:
            answer = await self._submit(
                scope["query_string"], headers.get(b"content-type", ""), data
            )
        origin = headers.get(b"origin")
        await body.answered_by(partial(write, send, answer, origin))

    async def _submit(self, query: bytes, content_type: str, data: bytes) -> HttpAnswer:
        try:
            return await self._submission.post(query, content_type, data)
        except Exception as error:
            if ends_process(error):
                raise
            logger.exception("unhandled error while answering a posted transaction")
            return answers.FAILED


async def _get(get: Get) -> Response:
    return _response(await get(request.query_string))


def _add_routes(app: Api, routes: Routes, streams_url: str) -> None:
    for path, get in routes.gets.items():
        # POST is answered in front of Quart; it is listed here for the `Allow` header.
        methods = ["GET", "POST"] if path == TRANSACTIONS else ["GET"]
        app.add_url_rule(path, path, partial(_get, get), methods=methods)
    root = HttpAnswer(200, answers.root(streams_url))
    api_root = HttpAnswer(200, answers.api_root(streams_url))
    description = HttpAnswer(200, OPENAPI.read_bytes())

    @app.get(API)
    async def api_index() -> Response:
        return _response(api_root)

    @app.get(f"{API}/openapi.json")
    async def openapi() -> Response:
        return _response(description)

    add_page(app, root)
    add_manual(app)

    @app.get(f"{TRANSACTION}<transaction_id>")
    async def transaction(transaction_id: str) -> Response:
        return _response(await routes.transaction(transaction_id))

    @app.get(f"{BLOCK}<digits:height>")
    async def block(height: str) -> Response:
        return _response(await routes.block(height))

    @app.get(f"{ELECTION}<election_id>")
    async def election(election_id: str) -> Response:
        return _response(await routes.election(election_id))

    # Streams and pulls are answered in front of Quart; these routes get the other requests.
    @app.get(f"{STREAMS_PATH}<stream:_>")
    async def stream(_: str) -> Response:
        return _response(NOT_EVENTS)

    @app.get(PULL_PATH)
    async def events() -> Response:
        return _response(HttpAnswer(200, b""))


def _add_errors(app: Api) -> None:
    @app.errorhandler(NotFound)
    async def no_such_path(_: HTTPException) -> Response:
        return _response(answers.NO_SUCH_PATH)

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
