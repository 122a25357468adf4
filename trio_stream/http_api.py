"""The routes of BigchainDB's HTTP API, on Quart-Trio.

Here is said which path is answered by what, with which errors and headers; the texts are
`http_answers`', the way of a posted transaction is `http_submit`'s. Quart's dispatch takes
60 us, a tenth of what a POST costs, so transactions are taken in front of it; all other
requests go its way. No route but that one wants a body.
"""

# Quart runs handlers that are no coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio
from quart import Response, request
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
)
from werkzeug.routing import BaseConverter, WebsocketMismatch

from trio_stream import http_answers as answers
from trio_stream.commit_channel import CommitChannel
from trio_stream.http_answers import Answer
from trio_stream.http_arrays import Streamed
from trio_stream.http_body import Body, Disconnected, Receive, Send, headers_of, write
from trio_stream.http_pull import PULL_PATH
from trio_stream.http_reads import Checks
from trio_stream.http_reads import Reader as ParameterReader
from trio_stream.http_reads import Reads
from trio_stream.http_submit import Examiner, Node, Submission
from trio_stream.http_subscriptions import NOT_EVENTS, Subscriptions
from trio_stream.stream.selection import STREAMS_PATH, Stream
from trio_stream.transactions.shown import shown

logger = logging.getLogger(__name__)

OPENAPI = Path(__file__).parent / "openapi.json"

_TRANSACTIONS = "/api/v1/transactions"
_SUBMIT_PATHS = (_TRANSACTIONS, _TRANSACTIONS + "/")
# The database's integers; no block is higher.
_MAX_HEIGHT = 2**63 - 1


class Reader(Examiner, ParameterReader, Protocol):
    """What the routes ask the committed state."""

    async def transaction(self, transaction_id: str) -> bytes | None: ...

    async def block(self, height: int) -> list[bytes] | None: ...


class _Digits(BaseConverter):
    """Decimal digits, as many as there are; anything else is another path."""

    regex = "[0-9]+"


class _Stream(BaseConverter):
    """The name of a stream."""

    regex = "|".join(each.value for each in Stream)


class _Request(TrioASGIHTTPConnection):
    """Quart's way of taking a request, less the body, which no route of Quart's wants."""

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
            # A `Host` that cannot be routed is raised before there are handlers for it.
            origin = taken.headers.get("Origin")
            respond = partial(write, send, answers.UNREADABLE, origin)
        else:
            respond = partial(self._send_response, send, answer)
        await body.answered_by(respond)


class Api(QuartTrio):
    """The application; `submit` answers POST /api/v1/transactions."""

    asgi_http_class = _Request
    submission: Submission
    subscriptions: Subscriptions
    max_body_bytes: int

    def lasting(self) -> int:
        """How many requests are under way that end when the channel does."""
        return self.subscriptions.present

    async def asgi_app(self, scope: Any, receive: Receive, send: Send) -> None:
        # A request to upgrade has no method here.
        method = scope.get("method")
        if method == "POST" and scope["path"] in _SUBMIT_PATHS:
            await self._post(scope, receive, send)
        elif method == "GET" and (serve := self.subscriptions.door_of(scope)):
            await serve(receive, send)
        else:
            await super().asgi_app(scope, receive, send)

    async def _post(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        body = Body(receive, self.max_body_bytes)
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

    async def _submit(self, query: bytes, content_type: str, data: bytes) -> Answer:
        try:
            return await self.submission.post(query, content_type, data)
        except Exception:
            logger.exception("a posted transaction brought this about")
            return answers.FAILED


def create_app(
    *,
    reader: Reader,
    node: Node,
    channel: CommitChannel,
    checks: Checks,
    streams_url: str,
    commit_timeout: float,
    max_body_bytes: int,
) -> Api:
    """The API over a committed state, a node to broadcast through, its checks and commits."""
    app = Api(__name__, static_folder=None)
    app.submission = Submission(reader, node, channel, commit_timeout=commit_timeout)
    app.subscriptions = Subscriptions(channel)
    app.max_body_bytes = max_body_bytes
    # Quart would cut an answer after a minute, however much of it the peer is taking.
    app.config["RESPONSE_TIMEOUT"] = None
    app.url_map.strict_slashes = False
    app.url_map.converters["digits"] = _Digits
    app.url_map.converters["stream"] = _Stream
    _add_errors(app)
    _add_routes(app, reader, Reads(reader, checks), streams_url)
    return app


def _add_routes(app: Api, reader: Reader, reads: Reads, streams_url: str) -> None:
    root = Answer(200, answers.root(streams_url))
    api_root = Answer(200, answers.api_root(streams_url))
    description = Answer(200, OPENAPI.read_bytes())

    @app.get("/")
    async def index() -> Response:
        return _response(root)

    @app.get("/api/v1")
    async def api_index() -> Response:
        return _response(api_root)

    @app.get("/api/v1/openapi.json")
    async def openapi() -> Response:
        return _response(description)

    # POST is taken in front; both stand here for what `Allow` says.
    @app.route(_TRANSACTIONS, methods=["GET", "POST"])
    async def transactions() -> Response:
        return _response(await reads.transactions(request.query_string))

    @app.get(f"{_TRANSACTIONS}/<transaction_id>")
    async def transaction(transaction_id: str) -> Response:
        raw = await reader.transaction(transaction_id)
        if raw is None:
            return _response(answers.NOT_FOUND)
        return _response(Answer(200, answers.spaced(shown(raw))))

    @app.get("/api/v1/blocks/<digits:height>")
    async def block(height: str) -> Response:
        return _response(await _block(reader, height))

    @app.get("/api/v1/outputs")
    async def outputs() -> Response:
        return _response(await reads.outputs(request.query_string))

    @app.get("/api/v1/blocks")
    async def blocks() -> Response:
        return _response(await reads.blocks(request.query_string))

    @app.get("/api/v1/assets")
    async def assets() -> Response:
        return _response(await reads.assets(request.query_string))

    @app.get("/api/v1/metadata")
    async def metadata() -> Response:
        return _response(await reads.metadata(request.query_string))

    @app.get("/api/v1/statuses")
    async def statuses() -> Response:
        return _response(await reads.statuses(request.query_string))

    # What these are for is taken in front; here is what is left.
    @app.get(f"{STREAMS_PATH}<stream:_>")
    async def stream(_: str) -> Response:
        return _response(NOT_EVENTS)

    @app.get(PULL_PATH)
    async def events() -> Response:
        return _response(Answer(200, b""))

    @app.get("/api/v1/validators")
    async def validators() -> Response:
        return _response(await reads.validators(request.query_string))


async def _block(reader: Reader, digits: str) -> Answer:
    # More digits than any height has; and Python refuses to read thousands of them.
    number = digits.lstrip("0") or "0"
    if len(number) > len(str(_MAX_HEIGHT)) or int(number) > _MAX_HEIGHT:
        return answers.NOT_FOUND
    height = int(number)
    found = await reader.block(height)
    if found is None:
        return answers.NOT_FOUND
    shown_ones = []
    for raw in found:
        shown_ones.append(answers.spaced(shown(raw)).rstrip())
        # A block may hold thousands, and others wait.
        await trio.lowlevel.checkpoint()
    transactions = b", ".join(shown_ones)
    body = b'{"height": %d, "transactions": [%b]}\n' % (height, transactions)
    return Answer(200, body)


def _add_errors(app: Api) -> None:
    # An upgrade to a WebSocket finds none here, whatever else the path is for.
    @app.errorhandler(WebsocketMismatch)
    @app.errorhandler(NotFound)
    async def no_such_path(_: HTTPException) -> Response:
        return _response(answers.NO_SUCH_PATH)

    @app.errorhandler(MethodNotAllowed)
    async def method_not_allowed(error: MethodNotAllowed) -> Response:
        response = _response(answers.METHOD_NOT_ALLOWED)
        response.headers["Allow"] = ", ".join(error.valid_methods or ())
        return response

    @app.errorhandler(InternalServerError)
    async def failed(_: InternalServerError) -> Response:
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
            response.headers[name] = value
        return response


def _response(answer: Answer | Streamed) -> Response:
    if isinstance(answer, Streamed):
        return Response(answer, 200, content_type=answers.JSON)
    return Response(answer.body, answer.status, content_type=answer.content_type)
