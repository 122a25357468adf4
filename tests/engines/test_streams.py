"""What the richer messages say of blocks and transactions is what the engine says of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio

from scripts import signing
from scripts.daemon_process import RunningDaemon
from scripts.engines.process import Rpc
from tests.engines.site import ALICE, PATIENCE, Site, commit, settled
from trio_stream.client import Options, open_stream

pytestmark = pytest.mark.engine


async def all_of(daemon: RunningDaemon, stream: str, options: Options) -> list[Any]:
    """Everything up to the tip."""
    url = daemon.stream.replace("valid_transactions", stream)
    with trio.fail_after(PATIENCE):
        asked: Options = {"after": "earliest", "until": "tip", **options}
        async with open_stream(url, **asked) as events:
            return [event async for event in events]


async def header(rpc: Rpc, height: int) -> Any:
    return (await rpc.call("block", height=str(height)))["block"]["header"]


def to_nanoseconds(time: str) -> str:
    """An engine leaves zeros out at the end."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction:0<9}Z"


async def test_the_engine_knows_what_messages_tell(site: Site) -> None:
    async with site.daemon() as daemon, site.engine() as engine:
        for number in range(3):
            await commit(daemon, signing.create(ALICE, data={"n": number}))
        tip = await settled(engine.rpc)

        events = await all_of(daemon, "valid_transactions", {"detail": "full"})
        blocks = await all_of(daemon, "valid_blocks", {"empty_blocks": True})

        for event in events:
            named = base64.b64encode(bytes.fromhex(event["tx_hash"])).decode()
            found = await engine.rpc.call("tx", hash=named)
            assert int(found["height"]) == event["height"]
            assert int(found.get("index", 0)) == event["index"]
            raw = base64.b64decode(found["tx"])
            assert raw == signing.encode(event["transaction"])
            at = await header(engine.rpc, event["height"])
            assert to_nanoseconds(at["time"]) == event["time"]
        assert [event["transaction"]["asset"]["data"]["n"] for event in events] == [
            *range(3)
        ]
        assert [block["height"] for block in blocks] == [*range(1, tip + 1)]
        for block in blocks[:-1]:
            following = await header(engine.rpc, block["height"] + 1)
            assert bytes.fromhex(following["app_hash"]).decode() == block["hash"]
