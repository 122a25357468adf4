"""The options of a client: their names, and the puller made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.asking import open_network, options, take
from tests.scripted_server import Kept, serve
from trio_stream.client import Options, open_stream


async def test_an_unknown_option_is_refused_before_anything_is_done(
    tmp_path: Path,
) -> None:
    async with open_network() as network:
        network.host("a", serve())
        kept = Kept()
        asking = options(network, checkpoint=kept, aftre="earliest")
        with pytest.raises(TypeError, match="option 'aftre'; did you mean 'after'"):
            async with open_stream("ws://a", **asking):
                pass  # pragma: no cover
        with pytest.raises(TypeError, match="option 'zzz'; action, after, asset_id, "):
            async with open_stream("ws://a", **options(network, zzz=1)):
                pass  # pragma: no cover
    assert not network.visits


async def test_options_become_parameters() -> None:
    async with open_network() as network:
        network.host("a", serve())
        asking = options(
            network,
            from_height=2,
            until=3,
            asset_id="a1",
            public_key=["k1", "k2"],
            operation=("CREATE",),
            detail="full",
            empty_blocks=True,
        )
        async with open_stream("ws://a/prefix/valid_transactions?x=1", **asking) as e:
            await take(e, 1)
    ((_, visit),) = network.visits
    assert visit.target.startswith("/prefix/valid_transactions?x=1&")
    assert visit.parameters == {
        "x": ["1"],
        "detail": ["full"],
        "empty_blocks": ["1"],
        "asset_id": ["a1"],
        "public_key": ["k1", "k2"],
        "operation": ["CREATE"],
        "notices": ["1"],
        "from_height": ["2"],
        "until": ["3"],
    }


async def test_options_of_a_followed_chain_become_parameters() -> None:
    queries = ["transfer.amount > 5", "tx.height = 7 OR wasm.action CONTAINS 'a&b'"]
    async with open_network() as network:
        network.host("a", serve())
        asking = options(
            network,
            stream="events",
            query=queries,
            sender="cosmos1a",
            recipient=("cosmos1b", "cosmos1c"),
            contract=["wasm1"],
            action="swap",
            match="event",
        )
        async with open_stream("ws://a", **asking) as events:
            await take(events, 1)
    ((_, visit),) = network.visits
    assert visit.target.startswith("/api/v1/streams/events?")
    assert visit.parameters == {
        "detail": ["position"],
        "query": queries,
        "sender": ["cosmos1a"],
        "recipient": ["cosmos1b", "cosmos1c"],
        "contract": ["wasm1"],
        "action": ["swap"],
        "match": ["event"],
        "notices": ["1"],
    }


@pytest.mark.parametrize(
    "wrong",
    [Options(after="1", from_height=1), Options(checkpoint_every=0)],
)
async def test_options_that_cannot_be_meant(wrong: Options) -> None:
    with pytest.raises(ValueError, match="give either|at least 1"):
        async with open_stream("ws://a", **wrong):
            raise AssertionError("must not begin")


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "é"])
async def test_a_token_that_cannot_be_sent_is_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII characters") as caught:
        async with open_stream("ws://a", token=token):
            raise AssertionError("must not begin")
    assert not token or token not in str(caught.value)
