"""The messages that the page on following shows are those that a follower sends."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tests import manual
from tests.follow_daemon import following, get, settings
from tests.log.followed.made import CHAIN, event, made
from tests.test_manual_examples import like, values
from trio_stream.cometbft.followed import Gap
from trio_stream.log.followed.writer import FollowedLog

NOWHERE = "http://127.0.0.1:9"
PULL = "/api/v1/events?after=earliest&stream="


def members(shown: object) -> object:
    """A value with only its shape: names, and what each list has."""
    if isinstance(shown, dict):
        return {name: members(each) for name, each in shown.items()}
    return [members(each) for each in shown] if isinstance(shown, list) else None


async def test_messages_are_as_shown(tmp_path: Path) -> None:
    messages, refusal, gap = manual.blocks("json", manual.PAGES["following"])
    config = settings(tmp_path, NOWHERE)
    with FollowedLog.open(config.home) as log:
        log.begin(CHAIN)
        log.append(made(5, [event("transfer", "recipient=cosmos1abc")]))
        log.append(made(6))
        log.gap(Gap(7, 8, "pruned", "why"))
    async with following(config) as addresses:
        said = {
            stream: (await get(addresses, PULL + stream))["events"]
            for stream in ("transactions", "blocks", "events")
        }
        transaction, block, one = values(messages)
        assert members(transaction) == members(said["transactions"][0])
        # One without events of its own, as is shown.
        assert members(block) == members(said["blocks"][1])
        assert members(one) == members(said["events"][0])
        for stream in said.values():
            assert members(next(values(gap))) == members(stream[-1])
        refused = await get(
            addresses, f"{PULL}blocks&query={quote('transfer.amount >')}"
        )
        (shown,) = values(refusal)
        assert isinstance(shown, dict)
        there = {"oldest": 5, "tip": 8, "chain": CHAIN.chain_id}
        assert like({**shown, **there}, refused)
