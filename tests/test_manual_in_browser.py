"""The manual in a real browser: legible on every screen, and usable by everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from scripts import interop_env
from scripts.chromium import CHROMIUM, Page, chromium
from tests.instant_node import instant_node
from tests.live_page import DEADLINE, violations
from trio_stream.http.manual import documents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here"),
]


@asynccontextmanager
async def pages(directory: Path) -> AsyncIterator[AsyncIterator[Page]]:
    """Each page of the manual, opened in one browser."""
    with trio.fail_after(DEADLINE):
        async with instant_node(directory / "home") as node, chromium(
            directory
        ) as browser:

            async def each() -> AsyncIterator[Page]:
                for path in documents():
                    yield await browser.open(f"{node.http_url}{path}")

            yield each()


async def test_no_screen_is_too_small_and_nothing_is_missing(tmp_path: Path) -> None:
    beyond = "document.documentElement.scrollWidth - innerWidth"
    async with pages(tmp_path) as every:
        async for page in every:
            for width in (320, 600, 1280):
                await page.look(width, 700)
                assert await page.evaluate(beyond) <= 0
            assert page.complaints == []


async def test_no_rule_of_accessibility_is_broken(tmp_path: Path) -> None:
    try:
        axe = interop_env.axe().read_text()
    except (interop_env.NotHere, interop_env.InstallFailed) as missing:
        pytest.skip(str(missing))
    async with pages(tmp_path) as every:
        async for page in every:
            await page.evaluate(axe + "; undefined")
            for width, dark in [(1280, False), (1280, True), (360, False)]:
                await page.look(width, 800, dark=dark)
                assert await violations(page) == []
