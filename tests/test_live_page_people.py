"""The live page for everybody: by keyboard, by screen reader, on small screens, held still."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import interop_env
from tests.live_page import ALICE, IN_CHROMIUM, opened, some, violations

pytestmark = IN_CHROMIUM


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


@pytest.mark.parametrize("width", [320, 480, 800, 1280])
async def test_no_screen_is_too_small(width: int, tmp_path: Path) -> None:
    made = some(2)
    async with opened(tmp_path, *made, hash=f"#q={made[0]['id']}") as at:
        await at.page.look(width, 700)
        await at.shows(made[1])
        await at.page.until("document.querySelector('#found-items article')")
        beyond = "document.documentElement.scrollWidth - innerWidth"
        assert await at.page.evaluate(beyond) <= 0
