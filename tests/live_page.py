"""The live page of a whole daemon, open in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts.chromium import CHROMIUM, Page, chromium
from scripts.signing import Document, Key, create, encode
from tests.fake_engine import Chain, FakeEngine
from tests.line import Line
from tests.test_daemon import engine_at, running, settings
from trio_stream.abci.messages import Time

ALICE = Key.from_seed(b"\x01" * 32)

DEADLINE = 300
"""Seconds that nothing here comes near, even on a busy machine."""

LIVE = "document.querySelector('#connection').dataset.state === 'live'"

IN_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here"),
]


@dataclass
class Opened:
    """The page, and the engine of the node that it belongs to."""

    page: Page
    engine: FakeEngine
    line: Line
    """Between the browser and the node."""
    url: str

    async def commit(self, *documents: Document, junk: bool = False) -> None:
        """A block of these transactions, and the empty one that follows it, as of now."""
        texts = [*map(encode, documents), *([b"nonsense"] if junk else [])]
        await self.engine.block(*texts, time=now())
        await self.engine.block(time=now())

    async def shows(self, document: Document) -> None:
        """Wait until the table of events has it."""
        await self.page.until(
            f"document.querySelector('#events a[title=\"{document['id']}\"]')"
        )

    async def events(self) -> list[str]:
        """The ids of the transactions that are shown, the newest first."""
        found: list[str] = await self.page.evaluate(
            "[...document.querySelectorAll('#events td:nth-child(4)')].map(e => e.innerText)"
        )
        return found

    async def lists(self, *documents: Document) -> None:
        """Wait until the table of events has these and no other, in this order."""
        wanted = " ".join(document["id"] for document in documents)
        await self.page.until(
            "[...document.querySelectorAll('#events td:nth-child(4)')]"
            f".map(e => e.innerText).join(' ') === '{wanted}'"
        )

    def forget_failed_requests(self) -> None:
        """The browser reports each of them in the console, whatever a page does."""
        for each in [each for each in self.page.complaints if '"network"' in each]:
            self.page.complaints.remove(each)

    async def search(self, words: str) -> None:
        await self.page.fill("#query", words)
        await self.page.click("#search button")
        await self.page.until(
            "document.querySelector('#found-items').ariaBusy === 'false'"
            f" && location.hash.endsWith('q=' + encodeURIComponent({words!r}))"
        )


def now() -> Time:
    return Time(*divmod(time.time_ns(), 10**9))


def some(count: int, **more: object) -> list[Document]:
    return [create(ALICE, data={"number": n, **more}) for n in range(count)]


@asynccontextmanager
async def opened(
    place: Path,
    *before: Document,
    hash: str = "",
    ready: str = LIVE,
    chain: Chain | None = None,
    **more: object,
) -> AsyncIterator[Opened]:
    """The page of a node that has committed some transactions; the console stays empty."""
    with trio.fail_after(DEADLINE):
        async with running(settings(place / "home", **more)) as addresses:
            async with engine_at(addresses, "C38", chain or Chain()) as engine:
                await engine.handshake()
                await engine.block(*map(encode, before), time=now())
                line = Line(addresses.api)
                async with line.listening() as port, chromium(place) as browser:
                    url = f"http://127.0.0.1:{port}/"
                    page = await browser.open(url + hash)
                    await page.until(ready)
                    yield Opened(page, engine, line, url)
                    assert faults(page) == []


def faults(page: Page) -> list[str]:
    """What its console shows, but for requests that failed because the machine stood still."""
    return [
        each
        for each in page.complaints
        if '"network"' not in each or re.search(r"status of (?!408|503)\d", each)
    ]


async def violations(page: Page) -> list[Any]:
    """The rules of accessibility that a page breaks, by axe, which was loaded into it."""
    found = await page.evaluate(
        "axe.run({resultTypes: ['violations']}).then(({violations}) => violations"
        ".map(({id, nodes}) => [id, nodes.map(({html, failureSummary}) =>"
        " [html, failureSummary])]))"
    )
    assert isinstance(found, list)
    return found
