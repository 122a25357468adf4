"""The live page of a follower in a real browser, before the whole daemon and made-up nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from scripts import interop_env
from scripts.chromium import Page, chromium
from tests.follow_daemon import following, serving, settings
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.live_page import DEADLINE, IN_CHROMIUM, LIVE, faults, violations

pytestmark = IN_CHROMIUM

TOKEN = "page-" + "t" * 30


@dataclass
class Opened:
    """The page of a follower, and the chain that it follows."""

    page: Page
    chain: MadeChain
    fake: FakeNode
    url: str

    async def rows(self, *wanted: str, table: str = "events", column: int = 5) -> None:
        """Wait until a column of a table has these texts and no other, the newest first."""
        texts = (
            f"[...document.querySelectorAll('#{table} td:nth-child({column})')]"
            ".map(e => e.innerText).join('|')"
        )
        await self.page.until(f"{texts} === {'|'.join(wanted)!r}")

    async def follow(self, **fields: str) -> None:
        for name, value in fields.items():
            await self.page.fill(f"[name={name}]", value)
        await self.page.click("#filters button")


@asynccontextmanager
async def opened(
    place: Path, *others: str, lowest: int = 1, ready: str = LIVE, **more: object
) -> AsyncIterator[Opened]:
    """A follower of five blocks, in front of a node that has them and of others."""
    chain = MadeChain(5)
    fake = FakeNode(chain)
    fake.lowest = lowest
    with trio.fail_after(DEADLINE):
        async with serving(fake) as urls:
            config = settings(place, *urls, *others, **more)
            async with following(config) as addresses:
                async with chromium(place) as browser:
                    page = await browser.open(f"{addresses.api}/")
                    await page.until(ready)
                    yield Opened(page, chain, fake, f"{addresses.api}/")
                    assert faults(page) == []


async def test_transactions_are_shown_as_they_are_committed(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        await at.rows("5", "5", "4", "2", "2", "1", column=1)
        at.chain.grow(7 - 1)
        at.chain.grow()
        await at.rows("7", "5", "5", "4", "2", "2", "1", column=1)
        await at.rows("7", "6", "5", "4", "3", "2", "1", table="blocks", column=1)
        await at.rows(*["ok"] * 7, column=3)
        await at.rows(*["transfer"] * 7)
        await at.page.until("document.querySelector('#height').textContent === '7'")
        await at.page.until(
            "document.querySelector('#subscribers').textContent === '2'"
        )
        assert await at.page.text("#chain") == "made"


async def test_nodes_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    async with opened(tmp_path, "http://127.0.0.1:1") as at:
        await at.page.until(
            "document.querySelector('#nodes-count').textContent === '1 of 2 answering'"
        )
        await at.rows("answering", "troubled", table="nodes", column=2)
        await at.rows("5", "–", table="nodes", column=3)
        await at.page.until(
            "/Unreachable/.test(document.querySelector('#nodes').innerText)"
        )


async def test_a_query_chooses_what_is_followed(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        await at.rows("5", "5", "4", "2", "2", "1", column=1)
        await at.follow(query="transfer.recipient CONTAINS '.1'")
        await at.rows("5", "2", column=1)
        await at.follow(stream="events", query="block.height > 3", match="event")
        await at.rows("height=5", "height=4")
        await at.rows("block", "block", column=3)
        await at.follow(stream="blocks", query="", after="4")
        await at.rows("5", column=1)
        await at.follow(query="transfer.recipient")
        await at.page.until("document.querySelector('#message').textContent")
        assert "cannot be read" in await at.page.text("#message")


async def test_blocks_that_are_missing_are_shown(tmp_path: Path) -> None:
    async with opened(tmp_path, lowest=4, from_=2, allow_gaps=True) as at:
        await at.rows("5", "5", "4", "2–3", column=1)
        await at.rows("5", "4", "2–3", table="blocks", column=1)
        assert "pruned" in await at.page.text("#events tr:last-child")
        await at.page.until("/2 blocks missing/.test(document.body.innerText)")


async def test_nothing_of_a_node_is_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as at:
        left = "[...document.querySelectorAll('[data-for]')].map(e => e.dataset.for)"
        assert set(await at.page.evaluate(left)) == {"follower"}
        for selector in ("#search", "#sample", "#engine", "[name=assetId]"):
            found = f"document.querySelector({selector!r})"
            assert await at.page.evaluate(found) is None
        examples = await at.page.text("#examples")
        streams = at.url.replace("http", "ws") + "api/v1/streams/transactions"
        assert f'server = "{streams}"' in examples
        assert 'event["tx_hash"]' in examples


async def test_one_with_tokens_is_followed_once_one_is_given(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[[token]]\nname = "page"\ntoken = "{TOKEN}"\nmay = ["read"]\n')
    asks = "!document.querySelector('#token').hidden"
    async with opened(tmp_path, tokens=tokens, ready=asks) as at:
        await at.page.fill("#token-field", TOKEN)
        await at.page.click("#token button")
        await at.page.until(LIVE)
        await at.rows("5", "5", "4", "2", "2", "1", column=1)
        failed = [each for each in at.page.complaints if '"network"' in each]
        at.page.complaints[:] = [e for e in at.page.complaints if e not in failed]


async def test_no_rule_of_accessibility_is_broken_and_no_screen_too_small(
    tmp_path: Path,
) -> None:
    try:
        axe = interop_env.axe().read_text()
    except (interop_env.NotHere, interop_env.InstallFailed) as missing:
        pytest.skip(str(missing))
    async with opened(tmp_path, lowest=4, from_=2, allow_gaps=True) as at:
        await at.rows("5", "5", "4", "2–3", column=1)
        await at.page.evaluate(axe + "; undefined")
        for width, dark in [(1280, False), (1280, True), (360, False), (360, True)]:
            await at.page.look(width, 800, dark=dark)
            assert await violations(at.page) == []
            beyond = "document.documentElement.scrollWidth - innerWidth"
            assert await at.page.evaluate(beyond) <= 0
