"""Notices to subscribers who asked for them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import cast

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests.memory_log import CHAIN, KEYS, event
from tests.tls_contexts import Contexts
from tests.websocket.subscribing import end_of, head_of, notice, position_of, texts_of
from tests.websocket_door import open_door
from tests.websocket_peer import CLOSE, PATH
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.notices import CHECKPOINT_SECONDS
from trio_stream.stream.position import Position, parse_position
from trio_stream.websocket.limits import WebSocketLimits
from trio_stream.websocket.notices import Reminder, Teller
from trio_stream.websocket.subscriber_stream import State, SubscriberStream


async def test_the_first_notice_says_what_the_headers_say() -> None:
    async with open_door() as door:
        door.commit(3)
        peer = await door.subscribe(path=f"{PATH}?after=1:1&notices=1")

        position = position_of(door.log, 1, 1)
        assert await notice(peer) == {
            "notice": "subscribed",
            "position": position,
            "oldest": 1,
            "tip": 1,
            "chain": CHAIN,
        }


@pytest.mark.parametrize("query", ["", "&operation=TRANSFER"])
@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
async def test_catching_up_is_told_between_history_and_news(
    tail_bytes: int, query: str
) -> None:
    path = f"{PATH}?after=earliest&notices=1{query}"
    async with open_door(tail_bytes=tail_bytes) as door:
        for _ in range(3):
            door.commit(2)
        await wait_all_tasks_blocked()
        peer = await door.subscribe(path=path)
        assert (await notice(peer))["notice"] == "subscribed"
        history = texts_of(door.log, path)
        assert await peer.texts(len(history)) == history

        told = await notice(peer)
        door.commit(2)

        assert told == {
            "notice": "caught_up",
            "position": end_of(3),
            "chain": CHAIN,
        }
        news = texts_of(door.log, path)[len(history) :]
        assert await peer.texts(len(news)) == news


async def test_falling_behind_is_told_and_catching_up_again() -> None:
    limits = WebSocketLimits(send_buffer=4096)
    async with open_door(limits=limits, tail_bytes=1) as door:
        path = f"{PATH}?notices=1"
        peer = await door.subscribe(path=path, receive_buffer=4096)
        assert [(await notice(peer))["notice"] for _ in "12"] == [
            "subscribed",
            "caught_up",
        ]
        for _ in range(10):
            door.commit(200)
            await wait_all_tasks_blocked()
        texts: list[str] = []
        told: list[str] = []
        while told[-1:] != ["caught_up"]:
            _, text = await peer.next()
            message = json.loads(str(text))
            if "notice" in message:
                told.append(message["notice"])
                last = json.loads(texts[-1])
                reached = parse_position(message["position"]).position
                assert last["height"] == reached.height
            else:
                texts.append(str(text))

        assert told == ["fell_behind", "caught_up"]
        assert texts == door.texts()


async def test_who_asks_for_no_notices_gets_none() -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?after=earliest")
        door.commit()
        await peer.texts(1)
        door.shut_down()

        assert await peer.next() == (CLOSE, (1001, ""))


@pytest.mark.parametrize("query", ["", f"&public_key={KEYS[0]}"])
async def test_a_shutdown_is_told_with_the_last_position(query: str) -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?notices=1{query}")
        assert [(await notice(peer))["notice"] for _ in "12"] == [
            "subscribed",
            "caught_up",
        ]
        door.commit(3)
        wanted = texts_of(door.log, PATH + ("?" + query[1:] if query else ""))
        await peer.texts(len(wanted))
        door.shut_down()

        told = await notice(peer)
        assert (told["notice"], told["position"]) == ("closing", end_of(1))
        assert await peer.next() == (CLOSE, (1001, ""))


@pytest.mark.parametrize(
    ("query", "code", "error"),
    [
        ("after=x", 4400, "bad_request"),
        ("since=1", 4400, "bad_request"),
        ("after=" + "0" * 64, 4404, "unknown_transaction"),
        ("after=0::12345678", 4409, "other_history"),
        ("after=500", 4503, "ahead"),
    ],
)
async def test_a_browser_is_told_why_it_is_refused(
    query: str, code: int, error: str
) -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?{query}&notices=1")

        told = await notice(peer)
        assert (told["notice"], told["error"]) == ("refused", error)
        assert (told["status"], told["tip"]) == (code - 4000, 0)
        assert await peer.next() == (CLOSE, (code, error))
        assert "stream-position" not in head_of(peer)


@pytest.mark.parametrize("secure", [False, True])
async def test_checkpoints_while_nothing_matches(
    secure: bool, contexts: Contexts, patient_clock: MockClock
) -> None:
    server, client = contexts if secure else (None, None)
    async with open_door(tls=server, client_tls=client) as door:
        asset = event(4, 0).transaction_id
        peer = await door.subscribe(path=f"{PATH}?asset_id={asset}&notices=1")
        assert [(await notice(peer))["notice"] for _ in "12"] == [
            "subscribed",
            "caught_up",
        ]
        for _ in range(3):
            door.commit()
        began = trio.current_time()

        told = await notice(peer)

        assert (told["notice"], told["position"]) == ("checkpoint", end_of(3))
        assert trio.current_time() - began <= 5
        door.commit()
        assert await peer.texts(1) == door.texts(after=3)
        with trio.move_on_after(15):
            raise AssertionError(await notice(peer))


async def test_who_gets_messages_needs_no_checkpoints(
    patient_clock: MockClock,
) -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?notices=1")
        assert [(await notice(peer))["notice"] for _ in "12"] == [
            "subscribed",
            "caught_up",
        ]
        for _ in range(4):
            door.commit()
            await trio.sleep(4)

        assert await peer.texts(4) == door.texts()


async def test_the_end_that_was_asked_for_is_told_as_a_position() -> None:
    async with open_door() as door:
        for _ in range(3):
            door.commit()
        path = f"{PATH}?after=1&until=2&public_key={'1' * 44}&notices=1"
        peer = await door.subscribe(path=path)

        assert (await notice(peer))["notice"] == "subscribed"
        told = await notice(peer)
        assert (told["notice"], told["position"]) == ("checkpoint", end_of(2))
        assert await peer.next() == (CLOSE, (1000, ""))


class Full:
    """A socket that takes no more than so many bytes."""

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def send(self, data: bytes) -> int:
        if not self.takes:
            raise BlockingIOError
        sent, self.takes = self.takes, 0
        return min(sent, len(data))


@pytest.mark.parametrize(
    ("takes", "told", "owes"),
    [(0, False, False), (10, True, True), (1000, True, False)],
)
async def test_a_checkpoint_that_the_socket_does_not_take_is_told_next_time(
    takes: int, told: bool, owes: bool
) -> None:
    owed: list[None] = []
    clone = SimpleNamespace(
        position=Position.end_of(7),
        last_message=Position.end_of(0),
        waiting=True,
        at_tip=True,
        owe=lambda: owed.append(None),
    )
    full = Full(takes)
    ours, _ = memory_stream_pair()
    stream = SubscriberStream(
        ours,
        cast(socket.socket, full),
        in_place=True,
        request=b"",
        stall_timeout=60,
    )
    async with open_door() as door, trio.open_nursery() as nursery:
        door.commit()
        await wait_all_tasks_blocked()
        beginning = await door.channel.begin(
            NODE_READER.subscription("valid_transactions", "")
        )
        teller = Teller(
            door.channel, stream, cast(CommitReceiveChannel, clone), beginning, nursery
        )
        teller.remind()
        assert (len(owed), stream.state is State.OWING) == (owes, owes)
        full.takes = 1000
        teller.remind()

        # Who knows its position is told nothing, and nothing more is taken.
        assert (full.takes == 1000) is told


class Reminded:
    """Does something when it is reminded."""

    def __init__(self, remind: Callable[[], None]) -> None:
        self.remind = remind


async def test_many_are_reminded_in_turns_and_none_that_has_left(
    autojump_clock: MockClock,
) -> None:
    reminded: list[int] = []
    reminder = Reminder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reminder.run)
        with ExitStack() as stays, ExitStack() as leaves:
            # The last one leaves while the first ones are reminded.
            calls: list[Callable[[], None]] = [leaves.close]
            calls += [partial(reminded.append, n) for n in range(250)]
            for remind in calls:
                stay = leaves if remind is calls[-1] else stays
                stay.enter_context(reminder.present(cast(Teller, Reminded(remind))))
            await trio.sleep(CHECKPOINT_SECONDS + 1)
            assert reminded == [*range(249)]
        nursery.cancel_scope.cancel()
