"""Replays what was recorded from a running BigchainDB 2.2.2 against a server of today.

The recording is a list of steps in order: a request and its answer, the events that a
subscriber gets for it, the app hash after its block. Which steps cannot be replayed is
said by the caller, step by step with a reason, and the report has every one of them by
its name; what needs a step that was left out is left out too.

Heights are not fixed: `{{h1}}`, `{{h2}}` stand for them, bound when first seen in an
event. App hashes are reckoned from the blocks seen, and must be the recorded ones until a
step that commits was left out.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import h11
import trio
import trio_websocket

from tests.conftest import VECTORS
from trio_stream.ledger.block import next_app_hash

Step = dict[str, Any]

_HOLE = re.compile(r"\{\{(\w+)\}\}")
# The recorder put the height of its own first block into these two bodies.
_LITERAL_HEIGHTS = {
    "create_block": ('"height": 2,', '"height": {{h1}},'),
    "create_blocks": ("[2]", "[{{h1}}]"),
}
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
# Longer than any step takes on a busy machine.
_PATIENCE = 120


class Mismatch(Exception):
    """A step did not go as recorded."""


@dataclass
class Report:
    """What became of each step, by its name; together they are all steps."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [
            f"{len(self.passed)} steps as recorded, {len(self.failed)} otherwise,"
            f" {len(self.left_out)} left out"
        ]
        lines += [f"  otherwise: {name}: {why}" for name, why in self.failed.items()]
        lines += [f"  left out: {name}: {why}" for name, why in self.left_out.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def recorded_steps() -> list[Step]:
    text = (VECTORS / "golden_http.json").read_text(encoding="utf-8")
    steps: list[Step] = json.loads(text)["steps"]
    for step in steps:
        if step["name"] in _LITERAL_HEIGHTS:
            old, new = _LITERAL_HEIGHTS[step["name"]]
            body = step["response"]["body"]
            assert old in body
            step["response"]["body"] = body.replace(old, new)
    return steps


async def replay(
    http_url: str,
    ws_url: str,
    *,
    leave_out: Callable[[Step], str | None],
    start_hash: str = "",
    app_hash: Callable[[int], Awaitable[str]] | None = None,
) -> Report:
    """Replay all steps against the two servers, whose chain must be fresh.

    `leave_out` gives the reason for which a step is not replayed, or None. `app_hash`
    gives the hex text of the app hash after the block of a height, if it can be asked;
    `start_hash` is the one before the first block.
    """
    async with (
        _Http.open(http_url) as http,
        _Subscriber.open(ws_url) as subscriber,
    ):
        replayer = _Replay(http, subscriber, start_hash, app_hash)
        for step in recorded_steps():
            await replayer.take(step, leave_out(step))
    return replayer.report


class _Replay:
    def __init__(
        self,
        http: _Http,
        subscriber: _Subscriber,
        start_hash: str,
        app_hash: Callable[[int], Awaitable[str]] | None,
    ) -> None:
        self.report = Report()
        self._http = http
        self._subscriber = subscriber
        self._heights: dict[str, int] = {}
        self._hash = start_hash
        # Whether this chain's blocks so far are those of the recorded one.
        self._as_recorded = start_hash == ""
        self._app_hash = app_hash

    async def take(self, step: Step, reason: str | None) -> None:
        name = step["name"]
        missing = [each for each in step.get("needs", ()) if self._is_missing(each)]
        if reason is None and missing:
            reason = f"needs {', '.join(missing)}"
        if reason is not None:
            self.report.left_out[name] = reason
            self._as_recorded &= not step.get("commits")
            return
        run = {
            "batch": self._batch,
            "race": self._race,
            "ws": self._ws,
        }.get(step.get("kind", ""), self._request)
        try:
            with trio.fail_after(_PATIENCE):
                await run(step)
        except (Mismatch, trio.TooSlowError) as error:
            self.report.failed[name] = str(error) or "no event came"
        else:
            self.report.passed.append(name)

    def _is_missing(self, name: str) -> bool:
        return name in self.report.left_out or name in self.report.failed

    async def _request(self, step: Step) -> None:
        request = step["request"]
        answer = await self._http.ask(request, self._filled(request["path"]))
        self._compare(step["response"], answer)
        for text in step.get("events", ()):
            height = self._match_event(text, await self._subscriber.next())
            await self._reckon(height, step["commits"], step.get("app_hash"))

    def _compare(self, recorded: Mapping[str, Any], answer: Answer) -> None:
        statuses = recorded.get("status_any", [recorded["status"]])
        if answer.status not in statuses:
            raise Mismatch(f"{answer.status} instead of {statuses}: {answer.body!r}")
        for name, value in recorded.get("headers", {}).items():
            found = answer.headers.get(name, "")
            if _comparable(name, found) != _comparable(name, value):
                raise Mismatch(f"{name}: {found!r} instead of {value!r}")
        match recorded["match"]:
            case "prefix":
                ok = answer.body.decode().startswith(recorded["prefix"])
            case "unordered":
                ok = _sorted(answer.body) == _sorted(recorded["body"])
            case "exact" if "body" in recorded:
                pattern = self._pattern(recorded["body"])
                ok = re.fullmatch(pattern, answer.body.decode()) is not None
            case _:
                ok = True
        if not ok:
            raise Mismatch(f"{answer.body!r} instead of {recorded!r}")

    def _filled(self, text: str) -> str:
        return _HOLE.sub(lambda hole: str(self._heights[hole[1]]), text)

    def _pattern(self, text: str) -> str:
        """A pattern for recorded text: heights as they are bound, `ws_origin` open."""
        pieces = _HOLE.split(text)
        for i, piece in enumerate(pieces):
            if i % 2 == 0:
                pieces[i] = re.escape(piece)
            elif piece in self._heights:
                pieces[i] = str(self._heights[piece])
            else:
                pieces[i] = (
                    f'(?P<{piece}>[^"]*)'
                    if piece == "ws_origin"
                    else (f"(?P<{piece}>[0-9]+)")
                )
        return "".join(pieces)

    def _match_event(self, recorded: str, text: str) -> int:
        found = re.fullmatch(self._pattern(recorded), text)
        if found is None:
            raise Mismatch(f"the event {text!r} instead of {recorded!r}")
        for name, height in found.groupdict().items():
            if self._heights and int(height) <= max(self._heights.values()):
                raise Mismatch(f"the event's height {height} is not a new one")
            self._heights[name] = int(height)
        return int(json.loads(text)["height"])

    async def _reckon(
        self, height: int, ids: Iterable[str], recorded: str | None
    ) -> None:
        self._hash = next_app_hash(self._hash, list(ids))
        if self._as_recorded and recorded is not None and self._hash != recorded:
            raise Mismatch(f"app hash {self._hash} instead of {recorded}")
        if self._app_hash is not None:
            found = await self._app_hash(height)
            if found != self._hash:
                raise Mismatch(f"app hash {found} at {height} instead of {self._hash}")

    async def _batch(self, step: Step) -> None:
        self._as_recorded = False
        for request in step["requests"]:
            answer = await self._http.ask(request, request["path"])
            if answer.status != 202:
                raise Mismatch(f"{answer.status} instead of 202: {answer.body!r}")
        blocks: dict[int, list[str]] = {}
        for transaction_id in step["commits"]:
            event = json.loads(await self._subscriber.next())
            if event["transaction_id"] != transaction_id:
                raise Mismatch(f"{event} instead of one of {transaction_id}")
            if blocks and event["height"] < max(blocks):
                raise Mismatch(f"{event} is below {max(blocks)}")
            blocks.setdefault(event["height"], []).append(transaction_id)
        for height, ids in blocks.items():
            await self._reckon(height, ids, None)

    async def _race(self, step: Step) -> None:
        self._as_recorded = False
        statuses: list[int] = []

        async def post(request: Mapping[str, Any]) -> None:
            async with _Http.open(self._http.url) as http:
                statuses.append((await http.ask(request, request["path"])).status)

        async with trio.open_nursery() as nursery:
            for request in step["requests"]:
                nursery.start_soon(post, request)
        if not set(statuses) <= {202, 400, 500}:
            raise Mismatch(f"answered with {statuses}")
        event = json.loads(await self._subscriber.next())
        if event["transaction_id"] not in step["ids"]:
            raise Mismatch(f"{event} is of none of {step['ids']}")
        # A second one would be taken for an event of the next step, and fail that.
        await self._reckon(event["height"], [event["transaction_id"]], None)

    async def _ws(self, step: Step) -> None:
        base = urlsplit(self._subscriber.url)
        if step["status"] != 101:
            async with _Http.open(f"http://{base.netloc}") as http:
                request = {"method": "GET", "headers": _UPGRADE}
                answer = await http.ask(request, step["path"])
            if answer.status != step["status"]:
                raise Mismatch(f"{answer.status} instead of {step['status']}")
            return
        url = f"{base.scheme}://{base.netloc}{step['path']}"
        async with trio_websocket.open_websocket_url(url) as ws:
            for text in step["send"]:
                await ws.send_message(text)
            await ws.ping(step["ping"].encode())
            await ws.aclose(1000)
            if ws.closed is None or ws.closed.code != 1000:
                raise Mismatch(f"closed with {ws.closed}")
            try:
                raise Mismatch(f"got {await ws.get_message()!r}")
            except trio_websocket.ConnectionClosed:
                pass


def _comparable(name: str, value: str) -> object:
    return sorted(re.split(", *", value)) if name == "allow" else value


def _sorted(body: str | bytes) -> list[str]:
    return sorted(json.dumps(item) for item in json.loads(body))


class _Http:
    """One connection for all requests, renewed when the server ends it."""

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._stream: trio.SocketStream | None = None
        self._h11 = h11.Connection(h11.CLIENT)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[_Http]:
        http = cls(url)
        try:
            yield http
        finally:
            await http.aclose()

    async def aclose(self) -> None:
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
            self._stream = None

    async def ask(self, request: Mapping[str, Any], path: str) -> Answer:
        if self._stream is None:
            self._stream = await trio.open_tcp_stream(self._host, self._port)
            self._h11 = h11.Connection(h11.CLIENT)
        body = request.get("body", "").encode()
        if "body_base64" in request:
            body = base64.b64decode(request["body_base64"])
        headers = [("Host", f"{self._host}:{self._port}")]
        headers += request.get("headers", {}).items()
        if body or request["method"] == "POST":
            headers.append(("Content-Length", str(len(body))))
        head = h11.Request(method=request["method"], target=path, headers=headers)
        data = self._h11.send(head) + self._h11.send(h11.Data(body))
        self._h11.send(h11.EndOfMessage())
        await self._stream.send_all(data)
        return await self._answer(self._stream)

    async def _answer(self, stream: trio.SocketStream) -> Answer:
        status, headers, body = 0, {}, b""
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._h11.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {n.decode(): v.decode("latin-1") for n, v in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        if self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            await self.aclose()
        return Answer(status, headers, body)


class _Subscriber:
    """A subscriber to the event stream, from before the first step on."""

    def __init__(self, url: str, ws: trio_websocket.WebSocketConnection) -> None:
        self.url = url
        self._ws = ws

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[_Subscriber]:
        # All events of the recording fit, so that the library's reader never waits.
        async with trio_websocket.open_websocket_url(
            url, message_queue_size=1000
        ) as ws:
            yield cls(url, ws)

    async def next(self) -> str:
        return str(await self._ws.get_message())
