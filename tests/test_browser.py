"""A real browser subscribes: what pages see of the streams, in Chromium without a screen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11
import pytest
import trio

from scripts.signing import encode
from tests.client.test_with_daemon import some
from tests.fake_engine import Chain
from tests.line import Line
from tests.test_daemon import engine_at, running, settings
from tests.websocket_peer import PATH

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGE = Path(__file__).parent / "browser_page.html"
QUIET = """--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic
    --no-first-run --disable-background-networking --disable-component-update --disable-sync
    --disable-extensions --no-proxy-server""".split()


class Told:
    """What the page has told, the newest by name."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}
        self._more = trio.Event()

    def put(self, name: str, what: Any) -> None:
        # Each request has a connection of its own, and may be overtaken.
        if len(what) >= len(self._found.get(name, ())):
            self._found[name] = what
        self._more.set()
        self._more = trio.Event()

    async def get(self, name: str, count: int = 1) -> Any:
        """What was told under this name, once it has so many members."""
        while len(self._found.get(name, ())) < count:
            await self._more.wait()
        return self._found[name]


async def serve_page(told: Told, text: bytes, stream: trio.SocketStream) -> None:
    """Answer one request: the page, or what it tells."""
    http = h11.Connection(h11.SERVER)

    async def next_event() -> Any:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some()))
        return event

    async with stream:
        request = await next_event()
        if not isinstance(request, h11.Request):
            return  # browsers connect in advance
        body = b""
        while isinstance(event := await next_event(), h11.Data):
            body += bytes(event.data)
        path = request.target.decode()
        if path.startswith("/told/"):
            told.put(path.removeprefix("/told/"), json.loads(body))
        page = text if path.startswith("/?") else b""
        head = [("Content-Type", "text/html"), ("Content-Length", str(len(page)))]
        response = h11.Response(
            status_code=200, headers=[*head, ("Connection", "close")]
        )
        parts = response, h11.Data(data=page), h11.EndOfMessage()
        await stream.send_all(b"".join(http.send(part) or b"" for part in parts))


@asynccontextmanager
async def browsing(directory: Path, page: bytes, query: str) -> AsyncIterator[Told]:
    """This page is open in a browser."""
    assert CHROMIUM is not None
    told = Told()
    async with trio.open_nursery() as nursery:
        handler = partial(serve_page, told, page)
        serve = partial(trio.serve_tcp, handler, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        port = listeners[0].socket.getsockname()[1]
        with open(directory / "browser.log", "wb") as log:
            run = partial(
                trio.run_process,
                [
                    *(CHROMIUM, *QUIET, f"--user-data-dir={directory / 'profile'}"),
                    f"http://127.0.0.1:{port}/?{query}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
            await nursery.start(run)
        yield told
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def page_open(directory: Path, stream: str, line: Line) -> AsyncIterator[Told]:
    """The page is open in a browser, which comes to the HTTP door over `line`."""
    async with line.listening() as port:
        asked = {"ws": stream, "http": f"http://127.0.0.1:{port}{PATH}"}
        async with browsing(directory, PAGE.read_bytes(), urlencode(asked)) as told:
            yield told


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
async def test_pages_subscribe_resume_and_are_refused(tmp_path: Path) -> None:
    with trio.fail_after(300):
        async with running(settings(tmp_path / "home")) as addresses:
            async with engine_at(addresses, "C38", Chain()) as engine:
                await engine.handshake()
                documents = some(3, "first")
                await engine.block(*map(encode, documents))
                line = Line(addresses.api)
                stream = addresses.stream
                async with page_open(tmp_path, stream, line) as told:
                    await check_websockets(told, [each["id"] for each in documents])
                    await told.get("source", 3)
                    line.cut()
                    await engine.block(*map(encode, more := some(2, "more")))
                    documents += more
                    await check_sources(told, [each["id"] for each in documents])
                    # Where it stood; that may have been told without a message.
                    assert b"\r\nlast-event-id: 1:" in line.requests.lower()


async def check_websockets(told: Told, ids: list[str]) -> None:
    texts = [json.loads(text) for text in await told.get("socket", 5)]
    assert [text.get("notice") or text["transaction_id"] for text in texts[:5]] == [
        *("subscribed", *ids, "caught_up")
    ]

    closed = await told.get("told_refused_closed")
    assert (closed["code"], closed["reason"]) == (4404, "unknown_transaction")
    notice = json.loads(closed["texts"][0])
    assert (notice["notice"], notice["status"], notice["tip"]) == ("refused", 404, 1)
    # Without notices the refusal comes before the upgrade, of which pages see nothing.
    closed = await told.get("plain_refused_closed")
    assert (closed["code"], closed["texts"]) == (1006, [])

    closed = await told.get("socket_until_closed")
    assert (closed["code"], closed["wasClean"]) == (1000, True)
    assert [json.loads(text)["transaction_id"] for text in closed["texts"]] == ids


async def check_sources(told: Told, ids: list[str]) -> None:
    events = await told.get("source", len(ids))
    assert [(kind, json.loads(data)["transaction_id"]) for kind, data, _ in events] == [
        ("message", each) for each in ids
    ]
    # The browser reconnects after these, and is told by 204 to stop.
    [(kind, data, _)] = await told.get("source_refused_closed")
    assert (kind, json.loads(data)["status"]) == ("refused", 404)
    *_, (kind, _, _) = await told.get("source_until_closed")
    assert kind == "end"
