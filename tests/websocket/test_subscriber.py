"""Subscribers from a place on: replay, live, filters, ends, over the real WebSocket server."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.access.test_tokens import SECRET, entry
from tests.memory_log import CHAIN, KEYS, app_hash, event, keys_of, refusal
from tests.tls_contexts import Contexts
from tests.websocket.subscribing import (
    BLOCKS,
    REFUSED,
    START,
    end_of,
    head_of,
    notice,
    position_of,
    refused,
    texts_of,
)
from tests.websocket_door import open_door
from tests.websocket_peer import (
    CLOSE,
    PATH,
    PING,
    PONG,
    UPGRADE,
    comes_true,
    frame,
)
from trio_stream.access.guard import Guard
from trio_stream.access.tokens import read_tokens
from trio_stream.stream.admission import Admission
from trio_stream.stream.position import Position
from trio_stream.websocket.limits import WebSocketLimits


@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    ("after", "start"),
    [
        ("earliest", START),
        ("0::", START),
        ("1", Position.end_of(1)),
        ("2:1", Position(2, 1)),
        ("2:1:" + event(2, 1).transaction_id[:8], Position(2, 1)),
        (event(2, 1).transaction_id, Position(2, 1)),
        (f"3::{app_hash(3)[:8]}", Position.end_of(3)),
        ("4", Position.end_of(4)),
    ],
)
async def test_a_stream_goes_on_behind_a_position(
    after: str, start: Position, tail_bytes: int
) -> None:
    async with open_door(tail_bytes=tail_bytes) as door:
        for events in (2, 3, 0, 2):
            door.commit(events)
        await wait_all_tasks_blocked()

        peer = await door.subscribe(path=f"{PATH}?after={after}")
        door.commit(2)

        wanted = texts_of(door.log, PATH, start)
        assert await peer.texts(len(wanted)) == wanted


async def test_from_a_height_on_includes_it() -> None:
    async with open_door() as door:
        for _ in range(3):
            door.commit(2)

        peer = await door.subscribe(path=f"{PATH}?from_height=2")
        last = await door.subscribe(path=f"{PATH}?from_height=4")
        door.commit()

        assert await peer.texts(5) == door.texts(after=1)
        assert await last.texts(1) == door.texts(after=3)


async def test_the_101_says_where_delivery_starts() -> None:
    async with open_door() as door:
        door.commit(3)

        for query, position in [
            ("", end_of(1)),
            ("?after=1:1", position_of(door.log, 1, 1)),
            ("?after=earliest", "0::0a0a0a0a"),
            ("?after=9::12345678", "9::12345678"),
        ]:
            headers = head_of(await door.subscribe(path=PATH + query))
            assert headers["stream-position"] == position
            assert headers["stream-oldest"] == "1"
            assert headers["stream-tip"] == "1"
            assert headers["stream-chain"] == CHAIN


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("after=x", 400, "bad_request"),
        ("since=1", 400, "bad_request"),
        ("after=1&after=1", 400, "bad_request"),
        ("after=" + "0" * 64, 404, "unknown_transaction"),
        ("after=1::12345678", 409, "other_history"),
        ("after=1:0:12345678", 409, "other_history"),
        ("after=5:0:12345678", 409, "other_history"),
        ("after=112", 503, "ahead"),
    ],
)
async def test_refusals_come_before_the_upgrade(
    query: str, status: int, error: str
) -> None:
    async with open_door() as door:
        for _ in range(11):
            door.commit()

        got, headers, body = await refused(door, f"{PATH}?{query}")

        assert (got, body["error"]) == (status, error)
        assert (body["oldest"], body["tip"], body["chain"]) == (1, 11, CHAIN)
        assert headers["content-type"] == "application/json"
        assert headers.get("retry-after") == ("10" if status == 503 else None)


async def test_who_was_refused_takes_no_place() -> None:
    async with open_door(admission=Admission(total=1)) as door:
        for query in ("after=x", "after=500"):
            await refused(door, f"{PATH}?{query}")
        await door.subscribe()


async def test_who_is_ahead_waits() -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?after={end_of(2)}")
        for _ in range(4):
            door.commit()
            await wait_all_tasks_blocked()

        assert await peer.texts(2) == door.texts(after=2)


@pytest.mark.parametrize("notices", [0, 1])
async def test_who_was_ahead_on_another_history_is_closed_when_that_shows(
    notices: int,
) -> None:
    async with open_door() as door:
        path = f"{PATH}?after=2:0:12345678&notices={notices}"
        peer = await door.subscribe(path=path)
        door.commit()
        await wait_all_tasks_blocked()
        door.commit()

        if notices:
            assert (await notice(peer))["notice"] == "subscribed"
            told = await notice(peer)
            assert (told["notice"], told["error"]) == ("refused", "other_history")
        assert await peer.next() == (CLOSE, (4409, "other_history"))


@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
@pytest.mark.parametrize("query", ["", f"&public_key={KEYS[0]}", "&detail=full"])
@pytest.mark.parametrize(("until", "blocks"), [("tip", 3), ("2", 2), ("5", 5)])
async def test_a_stream_ends_where_it_is_told(
    until: str, blocks: int, query: str, tail_bytes: int
) -> None:
    path = f"{PATH}?after=earliest&until={until}{query}"
    async with open_door(tail_bytes=tail_bytes) as door:
        for _ in range(3):
            door.commit(3)
        await wait_all_tasks_blocked()

        peer = await door.subscribe(path=path)
        for _ in range(4):
            door.commit(3)
            await wait_all_tasks_blocked()

        all_texts = texts_of(door.log, path)
        wanted = [t for t in all_texts if json.loads(t)["height"] <= blocks]
        assert await peer.texts(len(wanted)) == wanted
        assert await peer.next() == (CLOSE, (1000, ""))


async def test_an_end_that_has_passed_is_the_end_at_once() -> None:
    async with open_door() as door:
        door.commit(3)
        for query in ("until=0", "until=1", "until=tip", "after=1&until=1"):
            peer = await door.subscribe(path=f"{PATH}?{query}")
            assert await peer.next() == (CLOSE, (1000, ""))


SELECTIONS = [
    f"{PATH}?detail=position",
    f"{PATH}?detail=full",
    f"{PATH}?operation=CREATE",
    f"{PATH}?operation=CREATE&operation=TRANSFER&detail=position",
    f"{PATH}?asset_id={event(1, 1).asset_id}",
    f"{PATH}?asset_id={event(2, 2).transaction_id}&asset_id={event(1, 0).transaction_id}",
    f"{PATH}?public_key={KEYS[0]}",
    f"{PATH}?public_key={KEYS[0]}&public_key={KEYS[1]}&operation=CREATE&detail=full",
    f"{PATH}?public_key={'1' * 44}",
    BLOCKS,
    f"{BLOCKS}?empty_blocks=1&detail=position",
    REFUSED,
    f"{REFUSED}?detail=position",
]


def and_(path: str, more: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{more}"


@pytest.mark.parametrize("path", SELECTIONS)
@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
async def test_replay_and_live_give_the_same(path: str, tail_bytes: int) -> None:
    async with open_door(tail_bytes=tail_bytes) as door:
        live = await door.subscribe(path=path)
        await wait_all_tasks_blocked()
        for events, refusals in [(3, [0]), (0, []), (4, [1, 2]), (1, [])]:
            door.channel.advance(door.log.commit(events, refused=refusals))
            await wait_all_tasks_blocked()
        late = await door.subscribe(path=and_(path, "after=earliest"))
        door.commit(2)

        wanted = texts_of(door.log, path)
        assert await live.texts(len(wanted)) == wanted
        assert await late.texts(len(wanted)) == wanted
        await wait_all_tasks_blocked()
        assert not live.take() and not late.take()


async def test_messages_of_the_other_streams() -> None:
    async with open_door() as door:
        blocks = await door.subscribe(path=BLOCKS)
        refusals = await door.subscribe(path=f"{REFUSED}?detail=position")
        door.commit(0)
        door.channel.advance(door.log.commit(1, refused=[1]))

        (block,) = await blocks.texts(1)
        assert json.loads(block) == {
            "height": 2,
            "hash": app_hash(2),
            "transaction_ids": [event(2, 0).transaction_id],
        }
        (text,) = await refusals.texts(1)
        message = json.loads(text)
        hash_ = refusal(2, 1).tx_sha256.hex()
        assert message["position"] == f"2:1:{hash_[:8]}"
        assert message["tx_hash"] == hash_.upper()
        assert (message["error"], message["transaction_id"]) == ("DoubleSpend", None)


async def test_a_position_of_one_stream_is_good_for_another() -> None:
    async with open_door() as door:
        door.channel.advance(door.log.commit(2, refused=[1]))
        door.commit(2)
        where = refusal(1, 1).tx_sha256.hex()[:8]

        peer = await door.subscribe(path=f"{PATH}?after=1:1:{where}")

        assert await peer.texts(3) == texts_of(door.log, PATH, Position(1, 1))


async def test_a_filter_costs_nothing_where_it_cannot_match() -> None:
    async with open_door() as door:
        asset = event(3, 0).transaction_id
        peer = await door.subscribe(path=f"{PATH}?asset_id={asset}&detail=full")
        for _ in range(5):
            door.commit(2)
            await wait_all_tasks_blocked()

        assert len(await peer.texts(1)) == 1
        assert door.log.looked_into == [Position(3, 0)]
        assert door.log.replays == []


async def test_who_waits_for_the_same_is_served_one_encoding() -> None:
    async with open_door() as door:
        path = f"{PATH}?public_key={KEYS[0]}"
        peers = [await door.subscribe(path=path) for _ in range(5)]
        await wait_all_tasks_blocked()
        door.commit(3)

        for peer in peers:
            wanted = texts_of(door.log, path)
            assert await peer.texts(len(wanted)) == wanted
        assert sorted(door.log.looked_into) == [Position(1, i) for i in range(3)]
        assert door.log.replays == []


async def test_contents_that_are_too_large_are_read_from_the_log() -> None:
    async with open_door() as door:
        door.log.most_contents = 1
        path = f"{PATH}?detail=full"
        peer = await door.subscribe(path=path)
        await wait_all_tasks_blocked()
        for _ in range(2):
            door.commit(3)

            wanted = texts_of(door.log, path)[-3:]
            assert await peer.texts(3) == wanted
        assert door.log.replays


async def test_over_tls_it_is_all_the_same(
    contexts: Contexts,
) -> None:
    path = f"{PATH}?public_key={KEYS[0]}&detail=position"
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peer = await door.subscribe(path=path)
        await wait_all_tasks_blocked()
        for _ in range(3):
            door.commit(3)
            await wait_all_tasks_blocked()

        wanted = texts_of(door.log, path)
        assert await peer.texts(len(wanted)) == wanted
        assert door.log.replays == []


def test_the_log_of_these_tests_has_what_filters_look_for() -> None:
    assert keys_of(1, 0) != keys_of(1, 1)


@pytest.mark.parametrize(
    ("query", "last", "code"), [("", "closing", 1001), ("&until=2", "checkpoint", 1000)]
)
async def test_who_asked_for_notices_hears_where_the_stream_ends(
    query: str, last: str, code: int
) -> None:
    async with open_door() as door:
        for _ in range(2):
            door.commit(1)
        await wait_all_tasks_blocked()
        peer = await door.subscribe(path=f"{PATH}?after=1&notices=1{query}")
        assert (await notice(peer))["notice"] == "subscribed"
        assert await peer.texts(1) == texts_of(door.log, PATH, Position.end_of(1))
        assert (await notice(peer))["notice"] == "caught_up"
        if not query:
            door.shut_down()
        told = await notice(peer)
        assert (told["notice"], told["position"]) == (last, end_of(2))
        assert await peer.next() == (CLOSE, (code, ""))


@pytest.mark.parametrize("secure", [False, True])
async def test_who_answers_pings_stays_and_who_does_not_is_dismissed(
    secure: bool,
    contexts: Contexts,
    patient_clock: MockClock,
) -> None:
    server, client = contexts if secure else (None, None)
    limits = WebSocketLimits(ping_interval=5, pong_timeout=3)
    async with open_door(limits=limits, tls=server, client_tls=client) as door:
        peer = await door.subscribe()
        for _ in range(3):
            assert await peer.next() == (PING, b"")
            await peer.send(frame(PONG))
        assert await peer.next() == (PING, b"")
        began = trio.current_time()
        assert await peer.next() == (CLOSE, (1011, ""))
        assert trio.current_time() - began == pytest.approx(3, abs=1)


async def test_a_socket_that_takes_part_of_a_page_gets_the_rest_later() -> None:
    limits = WebSocketLimits(send_buffer=4096)
    async with open_door(limits=limits, tail_bytes=1) as door:
        for _ in range(3):
            door.commit(1_000)
        await wait_all_tasks_blocked()
        path = f"{PATH}?after=earliest"
        peer = await door.subscribe(path=path, receive_buffer=4096)
        assert await peer.texts(3_000) == texts_of(door.log, path)


async def test_why_subscribers_leave_is_counted() -> None:
    admission = Admission()
    async with open_door(admission=admission) as door:
        peer = await door.subscribe()
        await peer.send(frame(8, (1000).to_bytes(2, "big")))
        assert await comes_true(
            lambda: bool(admission.statistics().departed), seconds=10
        )
    assert admission.statistics().departed == {"closed by the client": 1}


@pytest.mark.parametrize("answers", [True, False])
async def test_a_subscriber_whose_token_is_withdrawn_gets_a_close(
    answers: bool, patient_clock: MockClock
) -> None:
    guard = Guard(tokens=read_tokens(entry()), make_ticket=str, clock=lambda: 0)
    headers = UPGRADE | {"Authorization": f"Bearer {SECRET}"}
    async with open_door(guard=guard) as door:
        peer = await door.subscribe(headers=headers)
        door.commit(2)
        assert await peer.texts(2) == door.texts()
        other = f'token = "{SECRET[::-1]}"'
        assert guard.replace(read_tokens(entry(secret=other))) == 1
        assert await peer.next() == (CLOSE, (1008, ""))
        door.commit(1)
        if answers:
            await peer.send(frame(CLOSE, b"\x03\xf0"))
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await peer.next()
        late = await door.connect()
        await late.send(
            b"".join([b"GET ", PATH.encode(), b" HTTP/1.1\r\nHost: a\r\n\r\n"])
        )
        assert (await late.read_head()).startswith(b"HTTP/1.1 401 ")
