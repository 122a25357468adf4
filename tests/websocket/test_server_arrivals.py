"""Who comes to the door: in whatever way, with or without a place, with or without a token."""

from __future__ import annotations

import json
import logging
import socket
import struct

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.access.test_tokens import SECRET, entry
from tests.tls_contexts import Contexts
from tests.websocket.subscribing import end_of, notice
from tests.websocket_door import open_door
from tests.websocket_peer import CLOSE, PATH, PING, PONG, UPGRADE, frame, request
from trio_stream.access.guard import Guard
from trio_stream.access.tokens import read_tokens
from trio_stream.websocket.limits import WebSocketLimits


async def test_who_comes_encrypted_is_served(contexts: Contexts) -> None:
    async with open_door(tls=contexts[0], client_tls=contexts[1]) as door:
        peer = await door.subscribe()
        door.commit(2)
        await peer.send(frame(PING, b"x"))

        assert await peer.next() == (PONG, b"x")
        assert await peer.texts(2) == door.texts()


async def test_who_should_speak_tls_and_does_not_is_let_go(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trio_stream.websocket.server")
    async with open_door(tls=contexts[0]) as door:
        peer = await door.connect()
        await peer.send(request())
        assert b"HTTP/1.1" not in await peer.read_all()
    (said,) = [r.getMessage() for r in caplog.records if r.name.endswith("et.server")]
    assert said.startswith("127.0.0.1: (BrokenResourceError(")


async def test_who_comes_through_the_http_server_is_served() -> None:
    async with open_door(by_http=True) as door:
        peer = await door.subscribe()
        door.commit(2)

        assert await peer.texts(2) == door.texts()


async def test_who_has_reset_the_connection_before_its_turn_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "trio_stream.websocket.server")
    async with open_door(limits=WebSocketLimits(max_connections=1)) as door:
        # The kernel accepts it, and it is gone before the door's task runs again.
        hasty = socket.create_connection(("127.0.0.1", door.port))
        hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        hasty.close()
        peer = await door.subscribe()
        door.commit()

        assert await peer.texts(1) == door.texts()
    about = [r.getMessage() for r in caplog.records if r.exc_info or "Bad" in r.msg]
    assert about == []


async def test_who_finds_no_place_is_told_to_come_back() -> None:
    async with open_door(limits=WebSocketLimits(max_connections=1)) as door:
        first = await door.subscribe()
        late = await door.connect()
        answer = await late.read_all()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in answer

        first.reset()
        await wait_all_tasks_blocked(0.01)
        await door.subscribe()


async def test_who_finds_no_place_and_is_encrypted_is_cut(contexts: Contexts) -> None:
    limits = WebSocketLimits(max_connections=1)
    async with open_door(
        limits=limits, tls=contexts[0], client_tls=contexts[1]
    ) as door:
        first = await door.subscribe()
        late = await door.connect()
        with pytest.raises(trio.BrokenResourceError):
            await late.send(request())
        door.commit()

        assert await first.texts(1) == door.texts()


async def test_who_sends_no_request_for_a_websocket_is_answered_and_let_go() -> None:
    async with open_door(limits=WebSocketLimits(max_connections=1)) as door:
        plain = await door.connect()
        await plain.send(request("POST"))
        assert (await plain.read_all()).startswith(b"HTTP/1.1 405 ")
        plain.reset()
        await wait_all_tasks_blocked(0.01)

        await door.subscribe()


async def test_who_has_a_token_stays_for_as_long_as_it_is_valid(
    patient_clock: MockClock,
) -> None:
    guard = Guard(tokens=read_tokens(entry()), make_ticket=str, clock=lambda: 0)
    headers = UPGRADE | {"Authorization": f"Bearer {SECRET}"}
    async with open_door(guard=guard) as door:
        refused = await door.connect()
        await refused.send(request())
        assert (await refused.read_head()).startswith(b"HTTP/1.1 401 ")
        refused.reset()
        peer = await door.subscribe(headers=headers)
        door.commit()
        assert await peer.texts(1) == door.texts()
        other = f'token = "{SECRET[::-1]}"'

        assert guard.replace(read_tokens(entry(secret=other))) == 1
        assert await peer.next() == (CLOSE, (1008, ""))


async def test_who_asks_for_notices_gets_them() -> None:
    async with open_door() as door:
        peer = await door.subscribe(path=f"{PATH}?notices=1")
        told = [(await notice(peer))["notice"] for _ in "12"]
        door.commit()

        assert told == ["subscribed", "caught_up"]
        assert await peer.texts(1) == door.texts()


@pytest.mark.parametrize("tokens", [False, True])
async def test_who_asks_for_notices_and_is_refused_is_told_why(tokens: bool) -> None:
    guard = Guard(tokens=read_tokens(entry()), make_ticket=str, clock=lambda: 0)
    headers = UPGRADE | ({"Authorization": f"Bearer {SECRET}"} if tokens else {})
    async with open_door(guard=guard if tokens else None) as door:
        peer = await door.subscribe(path=f"{PATH}?after=x&notices=1", headers=headers)

        told = await notice(peer)
        assert (told["notice"], told["error"]) == ("refused", "bad_request")
        assert await peer.next() == (CLOSE, (4400, "bad_request"))


@pytest.mark.parametrize("notices", [False, True])
async def test_whose_beginning_turns_out_to_be_of_another_history_is_refused_then(
    notices: bool,
) -> None:
    async with open_door() as door:
        path = f"{PATH}?after=1::00000000" + ("&notices=1" if notices else "")
        assert end_of(1) != "1::00000000"
        peer = await door.subscribe(path=path)
        door.commit(2)

        told = []
        while (got := await peer.next())[0] != CLOSE:
            told.append(json.loads(str(got[1]))["notice"])
        assert told == (["subscribed", "refused"] if notices else [])
        assert got == (CLOSE, (4409, "other_history"))
