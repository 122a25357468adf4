"""The routes, over the real server and a real log. Posted transactions: test_submit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import cast

import h11
import pytest
import trio

from scripts.signing import Key, create, encode
from tests.http.apis import bigchaindb_api
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.engine.broadcast import CheckResult
from trio_stream.http import server
from trio_stream.http.answers import FAILED
from trio_stream.http.answers import HttpAnswer as Said
from trio_stream.http.api import Api
from trio_stream.http.bigchaindb import StateReader
from trio_stream.http.plain import Plain
from trio_stream.http.routes import Routes
from trio_stream.http.submit import Submission
from trio_stream.http.subscriptions import Subscriptions
from trio_stream.ledger.recent_checks import RecentChecks
from trio_stream.log.errors import LogDamaged
from trio_stream.log.lookups import Cursor, OutputsPage, TransactionsPage
from trio_stream.log.reader import LogReader
from trio_stream.stream.admission import Admission
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks

ALICE = Key.from_seed(b"\1" * 32)
ASSET = create(ALICE, data={"é": [1, 2.5]})
STREAMS = "ws://localhost:9985/api/v1/streams/valid_transactions"
MAX_BODY = 100_000
HTML = "text/html; charset=utf-8"
KEY = "1" * 43
BROKEN_KEY = "2" * 43
METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


class Log:
    """A committed state of one asset, in block 2 of 3; for streams it is empty."""

    async def examine(self, raw: bytes) -> object:
        await trio.lowlevel.checkpoint()
        return None

    async def transaction(self, transaction_id: str) -> bytes | None:
        await trio.lowlevel.checkpoint()
        if transaction_id == "broken":
            raise RuntimeError("the log is broken")
        return encode(ASSET) if transaction_id == ASSET["id"] else None

    async def block(self, height: int, *, after: Cursor) -> TransactionsPage | None:
        await trio.lowlevel.checkpoint()
        if height > 3:
            return None
        return TransactionsPage([encode(ASSET)] * 2 if height == 2 else [], None)

    async def outputs(
        self, public_key: str, *, spent: bool | None, after: Cursor, limit: int
    ) -> OutputsPage:
        await trio.lowlevel.checkpoint()
        page = after.position + 2
        if page == 3 and public_key == BROKEN_KEY:
            raise RuntimeError("the log is broken")
        return OutputsPage(str(page), 1, Cursor(page - 1) if page < 4 else None)

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        await trio.lowlevel.checkpoint()
        return Landmarks(chain="test", start_hash="", tip=0, tip_hash="", found=None)


class Node:
    async def broadcast(self, mode: str, raw: bytes) -> CheckResult:
        await trio.lowlevel.checkpoint()
        return CheckResult(0, "", "")


class HttpAnswer:
    def __init__(self, response: h11.Response, body: bytes) -> None:
        self.status = response.status_code
        self.headers = {n.decode(): v.decode() for n, v in response.headers}
        self.body = body


class Client:
    """Sends a test's requests, each on a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> HttpAnswer:
        fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
        http = h11.Connection(h11.CLIENT)
        all_headers = [
            ("Host", "node:9984"),
            ("Content-Length", str(len(body))),
            *fields,
        ]
        request = h11.Request(method=method, target=path, headers=all_headers)
        data = http.send(request) + http.send(h11.Data(body))
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(data)
            return await _answer(stream, http)


async def _answer(stream: trio.SocketStream, http: h11.Connection) -> HttpAnswer:
    http.send(h11.EndOfMessage())
    response: h11.Response | None = None
    body = b""
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                http.receive_data(await stream.receive_some())
            case h11.Response() as response:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                assert response is not None
                return HttpAnswer(response, body)


@asynccontextmanager
async def served(*, in_front: bool = True) -> AsyncIterator[tuple[Client, Api]]:
    """`in_front`: plain requests are answered in front of hypercorn and Quart."""
    blocks = CommittedBlocks(cast(LogReader, Log()))  # no test here waits for a block
    app = bigchaindb_api(
        reader=cast(StateReader, Log()),
        engine=Node(),
        channel=CommitChannel(blocks),
        watched=blocks,
        checks=RecentChecks(),
        streams_url=STREAMS,
        commit_timeout=10,
        max_body_bytes=MAX_BODY,
    )
    async with serving(app, in_front=in_front) as client:
        yield client, app


@asynccontextmanager
async def serving(app: Api, *, in_front: bool) -> AsyncIterator[Client]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    serve = partial(server.serve, app, listeners, tls=None)
    if in_front:
        serve = partial(serve, direct=app.direct)
    limits = server.HttpLimits(max_body_bytes=MAX_BODY, shutdown_timeout=math.inf)
    async with trio.open_nursery() as nursery:
        # A connection that is left standing holds the test up.
        await nursery.start(partial(serve, limits=limits, stop=stop))
        yield Client(listeners[0].socket.getsockname()[1])
        stop.set()


@pytest.fixture(params=[True, False], ids=["in front", "behind"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with served(in_front=request.param) as (client, _):
        yield client


async def test_the_root_names_the_api_and_its_version(client: Client) -> None:
    answer = await client.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.startswith(b'{"api":{"v1":{"assets":"/api/v1/assets/",')
    assert f'"streams":"{STREAMS}"'.encode() in answer.body
    assert answer.body.endswith(b'"software":"BigchainDB","version":"2.2.2"}\n')


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
async def test_the_api_root_names_its_paths(path: str, client: Client) -> None:
    answer = await client.ask("GET", path)
    assert answer.body.startswith(b'{"assets":"/assets/","blocks":"/blocks/",')
    assert answer.body.endswith(b'"validators":"/validators"}\n')


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_transaction_is_shown_spaced(slash: str, client: Client) -> None:
    answer = await client.ask("GET", f"/api/v1/transactions/{ASSET['id']}{slash}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.startswith(b'{"inputs": [{"owners_before": ["')
    assert b'"asset": {"data": {"\\u00e9": [1, 2.5]}}, "version": "2.0"' in answer.body
    assert answer.body.endswith(b'"}\n') and json.loads(answer.body) == ASSET


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/transactions/" + "a" * 64,
        "/api/v1/transactions/" + ASSET["id"].upper(),
        "/api/v1/transactions/x",
        "/api/v1/transactions/%00%ff%F0%9F%98%80",
        "/api/v1/blocks/4",
        "/api/v1/blocks/9223372036854775807",
        "/api/v1/blocks/9223372036854775808",
        "/api/v1/blocks/" + "9" * 5000,
    ],
)
async def test_an_unknown_id_is_not_found(path: str, client: Client) -> None:
    answer = await client.ask("GET", path)
    assert answer.status == 404
    assert answer.body == b'{"message":"Not found","status":404}\n'


@pytest.mark.parametrize("path", ["0", "1", "01", "3/", "0" * 5000])
async def test_a_block_may_be_empty(path: str, client: Client) -> None:
    answer = await client.ask("GET", f"/api/v1/blocks/{path}")
    height = path.rstrip("/").lstrip("0") or "0"
    assert answer.body == f'{{"height": {height}, "transactions": []}}\n'.encode()


async def test_a_block_shows_its_transactions_in_order(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1/blocks/2")
    shown = (
        await client.ask("GET", f"/api/v1/transactions/{ASSET['id']}")
    ).body.strip()
    assert answer.body == b'{"height": 2, "transactions": [%b, %b]}\n' % (shown, shown)


@pytest.mark.parametrize("path", ["/api/v1/outputs", "/api/v1/outputs/"])
async def test_a_long_array_is_sent_in_pieces(path: str, client: Client) -> None:
    answer = await client.ask("GET", f"{path}?public_key={KEY}", origin="http://a")
    assert answer.status == 200
    assert answer.body == b"[1, 2, 3, 4]\n"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["access-control-allow-origin"] == "http://a"


async def test_a_short_array_has_a_length(client: Client) -> None:
    answer = await client.ask("GET", f"/api/v1/outputs?public_key={KEY}&limit=1")
    assert answer.body == b"[1]\n"
    assert answer.headers["content-length"] == "4"


async def test_the_head_of_a_long_array_has_no_body(client: Client) -> None:
    answer = await client.ask("HEAD", f"/api/v1/outputs?public_key={KEY}")
    assert (answer.status, answer.body) == (200, b"")


async def test_an_array_that_breaks_off_is_not_a_whole_answer(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(h11.RemoteProtocolError, match="closed connection"):
        await client.ask("GET", f"/api/v1/outputs?public_key={BROKEN_KEY}")
    assert caplog.text.count("RuntimeError: the log is broken") == 1
    assert (await client.ask("GET", "/")).status == 200


async def test_a_bad_parameter_is_reported_to_any_origin(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1/outputs?public_key=x")
    assert answer.status == 400
    assert answer.body == (
        b'{"message": {"public_key": "Invalid base58 ed25519 key"}}\n'
    )
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nope",
        "/api/v1/Transactions/x",
        "/api/v1/blocks/latest",
        "/api/v1/blocks/-1",
        "/api/v1/blocks/1.0",
        "/api/v1/blocks/%D9%A1",
        "/static/x",
        "/api",
    ],
)
async def test_another_path_is_a_page_that_does_not_exist(
    path: str, client: Client
) -> None:
    answer = await client.ask("GET", path)
    assert answer.status == 404
    assert answer.headers["content-type"] == HTML
    assert b"<title>404 Not Found</title>" in answer.body
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_percent_escapes_are_decoded_first(client: Client) -> None:
    assert (await client.ask("GET", "/api/v1/%62locks/%30")).status == 200


async def test_a_doubled_slash_is_moved(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1//blocks/0")
    assert answer.status == 308
    assert answer.headers["location"] == "http://node:9984/api/v1/blocks/0"
    assert answer.headers["content-type"] == HTML


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/transactions", {"GET", "POST", "OPTIONS", "HEAD"}),
        ("DELETE", "/api/v1/transactions/", {"GET", "POST", "OPTIONS", "HEAD"}),
        ("POST", "/api/v1/blocks/1", {"GET", "OPTIONS", "HEAD"}),
        ("POST", "/", {"GET", "OPTIONS", "HEAD"}),
        ("BREW", "/api/v1/", {"GET", "OPTIONS", "HEAD"}),
    ],
)
async def test_another_method_is_not_allowed(
    method: str, path: str, allowed: set[str], client: Client
) -> None:
    answer = await client.ask(method, path, b"{}")
    assert answer.status == 405
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert answer.body == (
        b'{"message": "The method is not allowed for the requested URL."}\n'
    )


@pytest.mark.parametrize("path", ["/", "/api/v1/blocks/0", "/api/v1/blocks/4"])
async def test_head_is_get_without_the_body(path: str, client: Client) -> None:
    get, head = [await client.ask(method, path) for method in ("GET", "HEAD")]
    assert head.status == get.status and head.body == b""
    assert head.headers["content-length"] == str(len(get.body))
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_body_and_its_type_mean_nothing_to_get(
    content_type: str, client: Client
) -> None:
    answer = await client.ask(
        "GET", "/api/v1/blocks/0", b"{broken", content_type=content_type
    )
    assert answer.status == 200


async def test_any_origin_is_allowed(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1/nope", origin="http://a.example")
    assert answer.headers["access-control-allow-origin"] == "http://a.example"
    assert answer.headers["vary"] == "Origin"


async def test_options_lists_the_allowed_methods(client: Client) -> None:
    answer = await client.ask("OPTIONS", "/api/v1/transactions")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == HTML
    assert set(answer.headers["allow"].split(", ")) == {
        "GET",
        "POST",
        "OPTIONS",
        "HEAD",
    }
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-methods" not in answer.headers


async def test_a_preflight_allows_what_it_names(client: Client) -> None:
    answer = await client.ask(
        "OPTIONS",
        "/api/v1/transactions",
        origin="http://a.example",
        access_control_request_method="POST",
        access_control_request_headers="x-b, content-type, X-A",
    )
    assert answer.headers["access-control-allow-methods"] == METHODS
    assert answer.headers["access-control-allow-headers"] == "X-A, content-type, x-b"


async def test_an_unforeseen_error_is_500_and_logged_once(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.ask("GET", "/api/v1/transactions/broken", origin="http://a")
    assert answer.status == 500
    assert answer.body == b'{"message": "Internal Server Error"}\n'
    assert answer.headers["access-control-allow-origin"] == "http://a"
    assert caplog.text.count("RuntimeError: the log is broken") == 1


async def test_a_post_that_fails_unforeseen_is_500_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(self: object, *_: object) -> Said:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Submission, "post", post)
    async with served() as (client, _):
        answer = await client.ask(
            "POST", "/api/v1/transactions", b"{}", origin="http://a"
        )
    assert answer.status == 500
    assert answer.body == b'{"message": "Internal Server Error"}\n'
    assert answer.headers["access-control-allow-origin"] == "http://a"
    assert caplog.text.count("RuntimeError: nobody foresaw this") == 1


async def test_whatever_fails_before_its_answer_is_500_and_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def door_of(self: object, scope: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Subscriptions, "door_of", door_of)
    async with served() as (client, _):
        answer = await client.ask("GET", "/", origin="http://a")
    assert answer.status == 500
    assert answer.body == b'{"message": "Internal Server Error"}\n'
    assert answer.headers["access-control-allow-origin"] == "http://a"
    assert caplog.text.count("RuntimeError: nobody foresaw this") == 1


@pytest.mark.parametrize("path", ["/api/v1/transactions", "/api/v1/transactions/"])
async def test_a_posted_transaction_is_accepted(path: str, client: Client) -> None:
    answer = await client.ask("POST", path, encode(ASSET))
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    compact = json.dumps(ASSET, sort_keys=True, separators=(",", ":"))
    assert answer.body == compact.encode() + b"\n"


async def test_the_type_of_a_posted_body_reaches_its_reading(client: Client) -> None:
    answer = await client.ask(
        "POST",
        "/api/v1/transactions",
        encode(ASSET),
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status == 400


@pytest.mark.parametrize("size", [MAX_BODY + 1, 5_000_000])
async def test_a_body_over_the_limit_is_refused(size: int, client: Client) -> None:
    answer = await client.ask("POST", "/api/v1/transactions", b" " * size)
    assert answer.status == 413
    assert re.fullmatch(rb'\{"message": ".+"\}\n', answer.body)


@pytest.mark.parametrize("size", [MAX_BODY + 1, 5_000_000])
async def test_a_body_that_nobody_wants_is_read_past(size: int, client: Client) -> None:
    answer = await client.ask("PUT", "/api/v1/transactions", b" " * size)
    assert answer.status == 405


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
async def test_an_endless_body_ends_with_its_connection(method: bytes) -> None:
    with trio.fail_after(60):
        async with served() as (client, _):
            stream = await trio.open_tcp_stream("127.0.0.1", client.port)
            await stream.send_all(
                method + b" /api/v1/transactions HTTP/1.1\r\nHost: a\r\n"
                b"Content-Length: 9999999999\r\n\r\n"
            )
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b" " * 65536)
            await stream.aclose()


async def test_a_client_that_disconnects_within_a_body_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as (client, _):
        for method in (b"POST", b"PUT"):
            stream = await trio.open_tcp_stream("127.0.0.1", client.port)
            await stream.send_all(
                method + b" /api/v1/transactions HTTP/1.1\r\nHost: a\r\n"
                b"Content-Length: 99\r\n\r\nhalf"
            )
            await stream.aclose()
        assert (await client.ask("GET", "/")).status == 200
    assert caplog.text == ""


async def test_an_upgrade_to_websocket_is_refused_if_nobody_serves_it(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.ask(
        "GET",
        "/api/v1/streams/valid_transactions",
        connection="Upgrade",
        upgrade="websocket",
        sec_websocket_version="13",
        sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==",
    )
    assert answer.status == 404
    assert caplog.text == ""


async def test_an_invalid_host_is_not_an_error_of_ours(client: Client) -> None:
    request = b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
    for host in (b"", b"a b", b"[", b"x" * 5000, b"\xff"):
        for path in (b"/api/v1/blocks/0", b"/api//v1", b"*", b"http://h/api/v1/"):
            async with await trio.open_tcp_stream("127.0.0.1", client.port) as stream:
                await stream.send_all(request % (path, host))
                got = await stream.receive_some()
                assert re.match(rb"HTTP/1.1 (2|3|4)\d\d ", got), (path, host, got)


async def test_the_description_of_the_api_is_served(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body)["openapi"].startswith("3.")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/streams/valid_transactions", 406), ("/api/v1/events", 200)],
)
async def test_the_head_of_what_waits_for_events_is_answered_at_once(
    path: str, status: int, client: Client
) -> None:
    answer = await client.ask("HEAD", path)
    assert (answer.status, answer.body) == (status, b"")


async def test_an_answer_that_lasts_is_counted_until_it_ends() -> None:
    async with served() as (client, app):
        async with await trio.open_tcp_stream("127.0.0.1", client.port) as stream:
            await stream.send_all(
                b"GET /api/v1/streams/valid_transactions HTTP/1.1\r\nHost: a\r\n"
                b"Accept: text/event-stream\r\n\r\n"
            )
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            assert app.lasting() == 1
    assert app.lasting() == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("in_front", [True, False])
async def test_damage_of_the_log_ends_the_server(
    method: str, in_front: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise LogDamaged("read", Path("log.db"), "test")

    monkeypatch.setattr(Log, "transaction", damaged)
    monkeypatch.setattr(Submission, "post", damaged)
    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        async with served(in_front=in_front) as (client, _):
            path = "/api/v1/transactions" + ("/x" if method == "GET" else "")
            with suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
                await client.ask(method, path)
            await trio.sleep_forever()


async def _called(method: str, *messages: dict[str, object]) -> list[dict[str, object]]:
    """What the application sends if these messages come for a request."""
    coming, sent = list(messages), list[dict[str, object]]()

    async def receive() -> dict[str, object]:
        await trio.lowlevel.checkpoint()
        return coming.pop(0)

    async def send(message: dict[str, object]) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/api/v1/transactions",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("127.0.0.1", 1),
    }
    async with served() as (_, app):
        await app.asgi_app(scope, receive, send)
    return sent


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_peer_that_goes_before_its_body_has_come_is_not_answered(
    method: str,
) -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert await _called(method, part, {"type": "http.disconnect"}) == []


async def test_a_body_without_a_length_is_refused_where_it_is_too_large() -> None:
    part = {"type": "http.request", "body": b" " * MAX_BODY, "more_body": True}
    sent = await _called("POST", part, {"type": "http.request", "body": b" "})
    assert sent[0]["status"] == 413


@asynccontextmanager
async def served_others(*, in_front: bool) -> AsyncIterator[Client]:
    """Routes that are another program's: what it is asked comes back."""

    async def told(request: Plain) -> Said:
        await trio.lowlevel.checkpoint()
        words = request.path, request.query, request.body, request.content_type
        return Said(200, repr(words).encode(), "text/plain")

    async def posted(request: Plain) -> Said:
        if request.body == b"fail":
            raise RuntimeError("a bug")
        return await told(request)

    async def root() -> Said:
        await trio.lowlevel.checkpoint()
        return Said(200, b"{}")

    routes = Routes(
        root=root,
        gets={},
        lookups={},
        streams=["words"],
        posts={"/": posted},
        others=lambda asked: told(asked) if asked.path == "/other" else None,
        no_such_path=lambda path: Said(404, path.encode()),
    )
    channel = CommitChannel(CommittedBlocks(cast(LogReader, Log())))
    subscriptions = Subscriptions(channel, Admission(), most=1)
    app = Api(routes, subscriptions, max_body_bytes=MAX_BODY)
    async with serving(app, in_front=in_front) as client:
        yield client


@pytest.fixture(params=[True, False], ids=["in front", "behind"])
async def other_client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with served_others(in_front=request.param) as client:
        yield client


async def test_others_are_asked_about_what_has_no_route(other_client: Client) -> None:
    answer = await other_client.ask("GET", "/other?a=%20")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["Access-Control-Allow-Origin".lower()] == "*"
    assert answer.body == repr(("/other", b"a=%20", b"", "")).encode()


async def test_what_others_do_not_answer_is_not_there(other_client: Client) -> None:
    answer = await other_client.ask("GET", "/another")
    assert (answer.status, answer.body) == (404, b"/another")
    answer = await other_client.ask("DELETE", "/other")
    assert (answer.status, answer.body) == (404, b"/other")


async def test_routes_of_their_own_may_take_posts(other_client: Client) -> None:
    answer = await other_client.ask("POST", "/", b"{}", Content_Type="a/b")
    assert answer.body == repr(("/", b"", b"{}", "a/b")).encode()
    assert (await other_client.ask("GET", "/")).body == b"{}"
    answer = await other_client.ask("OPTIONS", "/")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}
    assert (await other_client.ask("POST", "/", b" " * (MAX_BODY + 1))).status == 413
    answer = await other_client.ask("POST", "/", b"fail")
    assert (answer.status, answer.body) == (500, FAILED.body)


async def test_only_the_streams_of_the_routes_exist(other_client: Client) -> None:
    assert (await other_client.ask("HEAD", "/api/v1/streams/words")).status == 406
    path = "/api/v1/streams/valid_transactions"
    assert (await other_client.ask("HEAD", path)).status == 404
