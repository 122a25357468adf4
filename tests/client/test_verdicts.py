"""What a server's answers mean: another attempt, or an error of the stream."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.client.asking import open_network, options, take
from tests.scripted_server import ALL, Visit, rejecting, serve
from trio_stream.client import NotResumable, Refused, ServerFault, open_stream
from trio_stream.client.verdicts import Closed, Lost, closing


@pytest.mark.parametrize("status", [400, 401, 403, 409])
async def test_a_refusal_is_raised(status: int) -> None:
    said = {"error": "other_history", "message": "of another history", "tip": 7}
    async with open_network() as network:
        network.host("a", rejecting(status, said))
        urls = ["ws://a", "ws://b"]
        with pytest.raises(Refused, match="ws://a refused.*of another history") as got:
            async with open_stream(urls, **options(network, after="5")) as events:
                await take(events)
    assert (got.value.status, got.value.details) == (status, said)
    assert len(network.visits) == 1


async def test_a_server_without_such_a_stream_is_not_asked_again() -> None:
    said = {"error": "unknown_stream", "message": "it has events"}
    async with open_network() as network:
        network.host("a", rejecting(404, said))
        with pytest.raises(Refused, match="refused with 404: it has events"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


PRUNED = {"error": "pruned", "message": "the oldest block is 90", "oldest": 90}


async def test_what_one_server_has_pruned_is_fetched_from_another(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", rejecting(410, PRUNED), rejecting(410, PRUNED))
        network.host("b", rejecting(503), serve())
        urls = ["ws://a", "ws://b"]
        async with open_stream(urls, **options(network)) as events:
            assert await take(events, 5) == ALL
    assert [host for host, _ in network.visits] == ["a", "b", "a", "b"]


async def test_what_all_servers_have_pruned_is_an_error(
    autojump_clock: MockClock,
) -> None:
    async def later(visit: Visit) -> None:
        await visit.accept("1::")
        await visit.close(4410, "pruned")

    async with open_network() as network:
        network.host("a", later)
        network.host("b", rejecting(410, PRUNED))
        urls = ["ws://a", "ws://b"]
        with pytest.raises(Refused, match="the oldest block is 90") as got:
            async with open_stream(urls, **options(network, after="1")) as events:
                await take(events)
    assert (got.value.status, got.value.details["oldest"]) == (410, 90)


async def test_a_refusal_without_json_says_its_text() -> None:
    async with open_network() as network:
        network.host("a", rejecting(400, "No\n  way"))
        with pytest.raises(Refused, match="refused with 400: No way"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


async def test_a_refusal_behind_the_upgrade_is_raised() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(None)
        refused = {"notice": "refused", "error": "other_history", "status": 409}
        await visit.send(refused)
        await visit.close(4409)

    async with open_network() as network:
        network.host("a", act)
        with pytest.raises(Refused, match="other_history") as got:
            async with open_stream(
                "ws://a", **options(network, after="5", notices=True)
            ) as events:
                await take(events)
    assert got.value.status == 409


async def test_a_position_that_turns_out_to_be_of_another_history_is_raised() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept("9:0:abcdef12")
        await visit.close(4409, "other_history")

    async with open_network() as network:
        network.host("a", act)
        with pytest.raises(Refused, match="409: other_history"):
            async with open_stream(
                "ws://a", **options(network, after="9:0:abcdef12")
            ) as events:
                await take(events)


async def test_a_notice_that_tells_so_is_raised_before_the_goodbye() -> None:
    async def act(visit: Visit) -> None:
        await visit.accept("9:0:abcdef12")
        await visit.send({"notice": "refused", "message": "another", "status": 409})
        await visit.close(4409, "other_history")

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, after="9:0:abcdef12", notices=True)
        with pytest.raises(Refused, match="409: another"):
            async with open_stream("ws://a", **asking) as events:
                await take(events)


@pytest.mark.parametrize("notices", [True, False])
@pytest.mark.parametrize("messages", [[], [{"transaction_id": "b"}], ["x"]])
async def test_a_server_without_positions_is_refused(
    autojump_clock: MockClock, notices: bool, messages: list[Any]
) -> None:
    async def act(visit: Visit) -> None:
        await visit.accept(None)
        await visit.send(*messages)
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, notices=notices)
        with pytest.raises(NotResumable, match="Stream-Position"):
            async with open_stream("ws://a", **asking) as events:
                await take(events)


async def test_a_goodbye_without_an_end_is_a_lost_connection(
    autojump_clock: MockClock,
) -> None:
    async with open_network() as network:
        network.host("a", serve(1, code=1000), serve())
        async with open_stream("ws://a", **options(network)) as events:
            assert await take(events, 5) == ALL


async def test_a_wish_to_come_later_is_met(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", rejecting(503, {"message": "full"}, Retry_After="10"))
        network.host("a", serve())
        async with open_stream("ws://a", **options(network)) as events:
            began = trio.current_time()
            await take(events, 1)
    assert 10 <= trio.current_time() - began <= 11


def test_what_a_close_means() -> None:
    assert closing("ws://a", Closed(1000, ""), until=True) is None
    lost = closing("ws://a", Closed(1001, "going"), until=True)
    assert isinstance(lost, Lost) and str(lost) == "closed with 1001 going"
    fault = closing("ws://a", Closed(1009, "5 MB"), until=False)
    assert isinstance(fault, ServerFault)
    assert str(fault) == "ws://a sent a message that is too large (5 MB)"
