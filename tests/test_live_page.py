"""The live page in a real browser, before the whole daemon: what a person sees and can do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from scripts import interop_env
from scripts.chromium import CHROMIUM, Page, chromium
from scripts.signing import Document, Key, create, encode, transfer
from tests.fake_engine import Chain, FakeEngine
from tests.line import Line
from tests.test_daemon import engine_at, running, settings
from trio_stream.abci.messages import Time

ALICE = Key.from_seed(b"\x01" * 32)
BOB = Key.from_seed(b"\x02" * 32)

DEADLINE = 90
"""Seconds that nothing here comes near, even on a busy machine."""

LIVE = "document.querySelector('#connection').dataset.state === 'live'"

pytestmark = [
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
    place: Path, *before: Document, hash: str = ""
) -> AsyncIterator[Opened]:
    """The page of a node that has committed some transactions; the console stays empty."""
    with trio.fail_after(DEADLINE):
        async with running(settings(place / "home")) as addresses:
            async with engine_at(addresses, "C38", Chain()) as engine:
                await engine.handshake()
                await engine.block(*map(encode, before), time=now())
                line = Line(addresses.api)
                async with line.listening() as port, chromium(place) as browser:
                    url = f"http://127.0.0.1:{port}/"
                    page = await browser.open(url + hash)
                    await page.until(LIVE)
                    yield Opened(page, engine, line, url)
                    assert page.complaints == []


async def test_events_are_shown_within_a_second_of_their_commit(tmp_path: Path) -> None:
    [old, *new] = some(4)
    async with opened(tmp_path, old) as at:
        await at.shows(old)
        for document in new:
            await at.commit(document)
            began = trio.current_time()
            await at.shows(document)
            assert trio.current_time() - began < 1
        assert await at.events() == [each["id"] for each in [*reversed(new), old]]
        await at.page.until("document.querySelector('#height').textContent === '7'")
        await at.page.until("document.querySelector('#latency').textContent !== '–'")
        assert await at.page.text("#engine") == "connected"
        await at.page.until(
            "document.querySelector('#subscribers').textContent === '2'"
        )
        heights = "[...document.querySelectorAll('#blocks a')].map(e => e.title)"
        assert await at.page.evaluate(heights) == ["7", "6", "5", "4", "3", "2", "1"]


async def test_a_lost_connection_is_resumed_without_a_gap(tmp_path: Path) -> None:
    made = some(7)
    async with opened(tmp_path, made[0]) as at:
        await at.shows(made[0])
        for lost, late in zip(made[1::2], made[2::2]):
            at.line.cut()
            await at.commit(lost)
            await at.commit(late)
            await at.shows(late)
            await at.page.until(LIVE)
        assert await at.events() == [each["id"] for each in reversed(made)]
        # A request that was under way is reported by the browser, whatever a page does.
        for each in [each for each in at.page.complaints if '"network"' in each]:
            at.page.complaints.remove(each)


async def test_filters_choose_what_is_followed(tmp_path: Path) -> None:
    made = some(3)
    moved = transfer(made[1], ALICE, recipients=[(BOB, 1)])
    async with opened(tmp_path, *made, moved) as at:
        await at.shows(moved)
        await at.page.fill("[name=publicKey]", BOB.public)
        await at.page.click("#filters button")
        await at.page.until(f"{LIVE} && document.querySelectorAll('#events a').length")
        assert await at.events() == [moved["id"]]

        await at.page.fill("[name=publicKey]", "")
        await at.page.fill("[name=operation]", "CREATE")
        await at.page.fill("[name=after]", made[0]["id"])
        await at.page.click("#filters button")
        await at.shows(made[1])
        assert await at.events() == [made[2]["id"], made[1]["id"]]


async def test_refused_transactions_are_shown_with_the_reason(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        await at.page.fill("[name=stream]", "refused_transactions")
        await at.page.click("#filters button")
        await at.page.until(LIVE)
        await at.commit(junk=True)
        await at.page.until("document.querySelector('#events .bad')")
        assert await at.page.text("#events .kind") == "MalformedTransaction"


async def test_a_place_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    async with opened(tmp_path, *some(1)) as at:
        await at.page.fill("[name=after]", "0" * 64)
        await at.page.click("#filters button")
        await at.page.until("document.querySelector('#message').textContent")
        assert "refused with 404: " in await at.page.text("#message")


async def test_search_finds_transactions_assets_keys_blocks_and_words(
    tmp_path: Path,
) -> None:
    made = create(ALICE, data={"thing": "a bicycle"}, recipients=[(ALICE, 5)])
    moved = transfer(made, ALICE, recipients=[(BOB, 5)])
    async with opened(tmp_path, made, moved) as at:
        await at.search(moved["id"])
        found = await at.page.text("#found-items")
        assert "committed in block 1 as number 1" in found
        assert f"5 to {BOB.public}" in found
        assert f"CREATE {made['id']}" in found

        await at.search(BOB.public)
        found = await at.page.text("#found-items")
        assert f"5 of {made['id']} from output 0 of {moved['id']}" in found
        await at.search(ALICE.public)
        assert "Holdsnothing" in await at.page.text("#found-items")

        await at.search("1")
        assert "2 transactions" in await at.page.text("#found-items")
        await at.search("99")
        assert "no such block" in await at.page.text("#found-items")
        await at.search("bicycles")
        assert made["id"] in await at.page.text("#found-items")
        await at.search("f" * 64)
        assert "unknown to this node" in await at.page.text("#found-items")
        await at.page.click("#found-close")
        await at.page.until("document.querySelector('#found').hidden")


async def test_a_link_to_a_search_opens_with_it(tmp_path: Path) -> None:
    [made] = some(1)
    async with opened(tmp_path, made, hash=f"#q={made['id']}") as at:
        await at.page.until("document.querySelector('#found-items article')")


async def test_what_somebody_points_at_stays_where_it_is(tmp_path: Path) -> None:
    first, second, third = some(3)
    async with opened(tmp_path, first) as at:
        await at.shows(first)
        await at.page.evaluate("document.querySelector('#events a').focus()")
        await at.commit(second)
        await at.page.until(
            "document.querySelector('#count').textContent === 'held; 1 new'"
        )
        assert await at.events() == [first["id"]]
        await at.page.evaluate("document.activeElement.blur()")
        await at.shows(second)

        await at.page.click("#pause")
        await at.commit(third)
        await at.page.until(
            "document.querySelector('#count').textContent === 'held; 1 new'"
        )
        await at.page.click("#pause")
        await at.shows(third)
        assert await at.page.text("#count") == ""


async def test_everything_can_be_reached_by_keyboard(tmp_path: Path) -> None:
    async with opened(tmp_path, *some(1)) as at:
        await at.page.until("document.querySelector('#events a')")
        reached = []
        for _ in range(40):
            await at.page.press("Tab", 9)
            reached.append(
                await at.page.evaluate(
                    "(e => e.id || e.name || e.textContent.trim() || e.className)"
                    "(document.activeElement)"
                )
            )
        for name in ("query", "Search", "pause", "stream", "after", "Follow", "Copy"):
            assert name in reached
        await at.page.evaluate("document.querySelector('#pause').focus()")
        await at.page.press("Enter", 13)


async def test_the_examples_name_this_node(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        examples = await at.page.text("#examples")
        origin = at.url.removesuffix("/")
        streams = origin.replace("http", "ws") + "/api/v1/streams/valid_transactions"
        assert (
            f"'{origin}/api/v1/streams/valid_transactions?after=earliest'" in examples
        )
        assert f"'{streams}?after=earliest'" in examples
        assert f'from "{origin}/client.js"' in examples
        assert f'server = "{origin.replace("http", "ws")}"' in examples


async def test_no_rule_of_accessibility_is_broken(tmp_path: Path) -> None:
    try:
        axe = interop_env.axe().read_text()
    except (interop_env.NotHere, interop_env.InstallFailed) as missing:
        pytest.skip(str(missing))
    [made] = some(1)
    async with opened(tmp_path, made, hash="#demo") as at:
        await at.shows(made)
        await at.page.evaluate(axe + "; undefined")
        for width, dark in [(1280, False), (1280, True), (360, False), (360, True)]:
            await at.page.look(width, 800, dark=dark)
            assert await violations(at.page) == []
        await at.search(made["id"])
        for dark in (False, True):
            await at.page.look(1280, 800, dark=dark)
            assert await violations(at.page) == []
        await at.search(ALICE.public)
        await at.page.evaluate(
            "document.querySelectorAll('[hidden]').forEach(e => (e.hidden = false))"
        )
        assert await violations(at.page) == []


async def violations(page: Page) -> list[Any]:
    found = await page.evaluate(
        "axe.run({resultTypes: ['violations']}).then(({violations}) => violations"
        ".map(({id, nodes}) => [id, nodes.map(({html, failureSummary}) =>"
        " [html, failureSummary])]))"
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("width", [320, 480, 800, 1280])
async def test_no_screen_is_too_small(width: int, tmp_path: Path) -> None:
    made = some(2)
    async with opened(tmp_path, *made, hash=f"#q={made[0]['id']}") as at:
        await at.page.look(width, 700)
        await at.shows(made[1])
        await at.page.until("document.querySelector('#found-items article')")
        beyond = "document.documentElement.scrollWidth - innerWidth"
        assert await at.page.evaluate(beyond) <= 0
