from __future__ import annotations

import pytest

from trio_stream.cometbft.queries import Generation
from trio_stream.jsonrpc.answers import Failure
from trio_stream.jsonrpc.calls import Call
from trio_stream.jsonrpc.lines import NEWEST, Line
from trio_stream.jsonrpc.methods import (
    end_all,
    end_subscription,
    new_subscription,
    read_query,
)
from trio_stream.jsonrpc.subscriptions import Subscriptions
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks


class Places:
    async def landmarks(self, place: Position | str | None) -> Landmarks:
        assert isinstance(place, Position)
        return Landmarks(oldest=5, tip=9, found=Found(place, "ab"))


OLD = Line(Generation.UP_TO_0_37)


async def subscribe(
    subscriptions: Subscriptions,
    query: str,
    *,
    room: bool = True,
    line: Line = NEWEST,
    **more: object,
) -> None:
    await new_subscription(
        Call(1, "subscribe", {"query": query, **more}, True),
        subscriptions,
        line=line,
        next_height=10,
        has_room_for=lambda _: room,
        places=Places(),
    )


async def test_subscribing() -> None:
    these = Subscriptions()
    await subscribe(these, "a.b=1")
    await subscribe(these, "a.b=2", after="7:3")
    first, second = these
    assert (first.height, first.skipped, first.has_positions) == (10, None, False)
    assert (second.height, second.skipped, second.has_positions) == (7, 3, True)
    with pytest.raises(Failure, match="already"):
        await subscribe(these, "a.b = 1")
    with pytest.raises(Failure, match="different queries"):
        await subscribe(these, "a.b=3", room=False)
    end_subscription(Call(1, "unsubscribe", ["a.b=1"], True), these, NEWEST)
    end_all(Call(1, "unsubscribe_all"), these)
    assert not len(these)


@pytest.mark.parametrize(("before", "after"), [(OLD, NEWEST), (NEWEST, OLD)])
async def test_a_subscription_from_before_an_upgrade_can_be_ended(
    before: Line, after: Line
) -> None:
    these = Subscriptions()
    await subscribe(these, "a.b=1", line=before)
    call = Call(1, "unsubscribe", ["a.b=1"], True)
    end_subscription(call, these, after)
    assert not len(these)
    with pytest.raises(Failure, match="not found"):
        end_subscription(call, these, after)


def test_queries() -> None:
    with pytest.raises(Failure, match="failed to parse query: offset 24: "):
        read_query("tm.event='NewBlock' AND AND", NEWEST)
    with pytest.raises(Failure, match="maximum query length exceeded"):
        read_query("a" * 5000, NEWEST)
