"""A Chromium without a screen, driven over its DevTools protocol: what a person would do, and see.

async with chromium(tmp_path) as browser:
    page = await browser.open("http://localhost:9984/")
    await page.until("document.title === 'trio_stream'")
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = """--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic
    --no-first-run --disable-background-networking --disable-component-update --disable-sync
    --disable-extensions --no-proxy-server --hide-scrollbars""".split()

STARTED = 180
"""Seconds in which a browser is up, on a busy machine too."""
CLOSED = 10
"""Seconds that it has to end by itself."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one answer: a picture is the largest."""


class BrowserError(Exception):
    """A command failed, or a script threw."""


class Browser:
    """A running browser; commands go to it and to its pages over one connection."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, tuple[trio.Event, dict[str, Any]]] = {}
        self.pages: dict[str, Page] = {}

    async def receive(self) -> None:
        while True:
            try:
                message = json.loads(await self._socket.get_message())
            except ConnectionClosed:
                return
            if "id" in message:
                done, answer = self._answers.pop(message["id"])
                answer.update(message)
                done.set()
            elif page := self.pages.get(message.get("sessionId", "")):
                page.note(message["method"], message["params"])

    async def call(self, method: str, session: str = "", **parameters: Any) -> Any:
        """The result of a command."""
        self._number += 1
        done, answer = self._answers[self._number] = trio.Event(), {}
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        await self._socket.send_message(json.dumps(message))
        await done.wait()
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return answer["result"]

    async def open(self, url: str, *, script: str = "") -> Page:
        """A new page, with a script that runs before its own."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = self.pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Runtime", "Log", "Page"):
            await page.call(f"{domain}.enable")
        if script:
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.call("Page.navigate", url=url)
        await page.loaded.wait()
        return page


class Page:
    """One page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        """What the console shows as an error or a warning."""
        self.loaded = trio.Event()

    def note(self, method: str, parameters: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self.loaded.set()
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(parameters["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if parameters["type"] in (
                "error",
                "warning",
            ):
                self.complaints.append(json.dumps(parameters["args"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in (
                "error",
                "warning",
            ):
                self.complaints.append(json.dumps(parameters["entry"]))

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self._session, **parameters)

    async def reload(self) -> None:
        self.loaded = trio.Event()
        await self.call("Page.reload")
        await self.loaded.wait()

    async def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        result = await self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in result:
            raise BrowserError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    async def until(self, condition: str) -> Any:
        """Wait until an expression is true; its value."""
        return await self.evaluate(
            "new Promise((resolve, reject) => { const look = () => { try {"
            f" const found = ({condition}); if (found) resolve(found);"
            " else setTimeout(look, 5) } catch (error) { reject(error) } }; look() })"
        )

    async def text(self, selector: str) -> str:
        """The text of the first element that a selector finds."""
        script = f"document.querySelector({json.dumps(selector)}).textContent"
        return str(await self.evaluate(script))

    async def click(self, selector: str) -> None:
        """Click as soon as it can be seen: a script that shows it has begun to listen."""
        found = f"document.querySelector({json.dumps(selector)})"
        await self.until(f"{found} && {found}.closest('[hidden]') === null")
        await self.evaluate(f"{found}.click()")

    async def fill(self, selector: str, value: str) -> None:
        """Write into a field, as typing does."""
        await self.evaluate(
            f"(field => {{ field.value = {json.dumps(value)};"
            " field.dispatchEvent(new Event('input', {bubbles: true})) })"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    async def press(self, key: str, code: int, *, shift: bool = False) -> None:
        """Press and release a key that has this virtual key code."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                modifiers=8 if shift else 0,
            )

    async def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Have a screen of this size and this liking."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        liking = {
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light",
        }
        await self.call("Emulation.setEmulatedMedia", features=[liking])

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen as a PNG; `whole`: what can be scrolled to as well."""
        shot = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def chromium(
    directory: Path, arguments: Sequence[str] = ()
) -> AsyncIterator[Browser]:
    """A browser whose profile is in `directory`; ended after the block."""
    assert CHROMIUM is not None
    profile = directory / "profile"
    port_file = profile / "DevToolsActivePort"
    command = [
        *(CHROMIUM, *QUIET, f"--user-data-dir={profile}"),
        *("--remote-debugging-port=0", *arguments, "about:blank"),
    ]
    async with trio.open_nursery() as nursery:
        with open(directory / "chromium.log", "wb") as log:
            run = partial(
                trio.run_process, command, stdout=log, stderr=subprocess.STDOUT
            )
            process = await nursery.start(partial(run, check=False))
        with trio.fail_after(STARTED):
            # Chromium says where it listens in this file alone, and nobody is told of it.
            while not _is_written(port_file):  # noqa: ASYNC110
                await trio.sleep(0.02)
        port, path = port_file.read_text().split("\n")[:2]
        url = f"ws://127.0.0.1:{port}{path}"
        try:
            async with open_websocket_url(url, max_message_size=LARGEST) as socket:
                browser = Browser(socket)
                nursery.start_soon(browser.receive)
                yield browser
            # So that none of its processes writes into the profile any more.
            process.terminate()
            with trio.move_on_after(CLOSED):
                await process.wait()
        finally:
            process.kill()
            nursery.cancel_scope.cancel()


def _is_written(file: Path) -> bool:
    return file.exists() and file.read_text().count("\n") > 0
