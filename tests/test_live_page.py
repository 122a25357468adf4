"""The live page in a real browser, before the whole daemon: what it shows, finds and posts."""

from __future__ import annotations

from pathlib import Path

from scripts.signing import Key, create, encode, transfer
from tests.fake_engine import Chain
from tests.live_page import ALICE, IN_CHROMIUM, LIVE, opened, some
from tests.voting import GENESIS, KEYS, migration, vote

BOB = Key.from_seed(b"\x02" * 32)
TOKEN = "page-" + "t" * 30

pytestmark = IN_CHROMIUM


async def test_events_are_shown_as_they_are_committed(tmp_path: Path) -> None:
    [old, *new] = some(4)
    async with opened(tmp_path, old) as at:
        await at.shows(old)
        for document in new:
            await at.commit(document)
            await at.shows(document)
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
        at.forget_failed_requests()


async def test_filters_choose_what_is_followed(tmp_path: Path) -> None:
    made = some(3)
    moved = transfer(made[1], ALICE, recipients=[(BOB, 1)])
    async with opened(tmp_path, *made, moved) as at:
        await at.shows(moved)
        await at.page.fill("[name=publicKey]", BOB.public)
        await at.page.click("#filters button")
        await at.lists(moved)

        await at.page.fill("[name=publicKey]", "")
        await at.page.fill("[name=operation]", "CREATE")
        await at.page.fill("[name=after]", made[0]["id"])
        await at.page.click("#filters button")
        await at.lists(made[2], made[1])


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


async def test_a_sample_that_the_page_signs_is_valid_and_unique(tmp_path: Path) -> None:
    make = (
        "import('/static/sample.js').then((sample) => sample.makeSample('a bicycle'))"
    )
    async with opened(tmp_path, hash="#demo") as at:
        first, second = [await at.page.evaluate(make) for _ in range(2)]
        assert first["id"] != second["id"]
        await at.commit(first, second)
        await at.shows(first)
        await at.shows(second)


async def test_it_says_that_the_chain_has_ended(tmp_path: Path) -> None:
    chain, moving = Chain(validators=tuple(GENESIS)), migration()
    async with opened(tmp_path, moving, chain=chain) as at:
        await at.page.until("document.querySelector('#notice').hidden")
        await at.engine.block(*(encode(vote(moving, key)) for key in KEYS[:3]))
        await at.page.until("!document.querySelector('#notice').hidden")
        said = await at.page.text("#notice")
        assert said.startswith("chain 'test-chain' was migrated at height 2")
        assert "trio-stream help moving" in said
        await at.shows(moving)


async def test_a_node_with_tokens_is_followed_once_one_is_given(tmp_path: Path) -> None:
    first, second = some(2)
    asked = "!document.querySelector('#token').hidden"
    file = tmp_path / "tokens.toml"
    file.write_text(f'[[token]]\nname = "page"\ntoken = "{TOKEN}"\nmay = ["read"]\n')
    async with opened(tmp_path, first, ready=asked, tokens=file) as at:
        assert await at.page.text("#token-label") == "This server asks for a token"
        assert await at.page.evaluate("document.activeElement.id") == "token-field"
        await at.page.fill("#token-field", TOKEN[::-1])
        await at.page.click("#token button")
        await at.page.until(
            "document.querySelector('#token-label').textContent.includes('not accept')"
        )
        await at.page.fill("#token-field", TOKEN)
        await at.page.click("#token button")
        await at.page.until(LIVE)
        await at.commit(second)
        await at.shows(second)
        assert "token=TOKEN" in await at.page.text("#examples")
        await at.search(first["id"])
        assert "committed in block 1" in await at.page.text("#found-items")

        await at.page.reload()
        await at.page.until(LIVE)
        assert TOKEN not in await at.page.evaluate("location.href")
        at.forget_failed_requests()
