"""Clients of another protocol pass the same gate, and are served elsewhere."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from tests.access.test_tokens import SECRET, entry
from tests.websocket_door import Door, open_door
from tests.websocket_peer import UPGRADE, Peer, request
from trio_stream.access.guard import Guard
from trio_stream.access.tokens import read_tokens
from trio_stream.net.upgrades import Caller
from trio_stream.stream.admission import Admission
from trio_stream.websocket.limits import WebSocketLimits

OTHER = "/other"
BEARER = {**UPGRADE, "Authorization": f"Bearer {SECRET}"}


class Host:
    """Says what it was given, and stays until it is told to go."""

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.go = trio.Event()
        self.breaks = False

    async def welcome(self, caller: Caller) -> str:
        self.caller = caller
        await caller.stream.send_all(b"HTTP/1.1 101 X\r\n\r\n" + caller.early)
        caller.lift()
        with caller.as_long_as_allowed(self.go.set):
            await self.go.wait()
        if self.breaks:
            raise ExceptionGroup("", [trio.BrokenResourceError()])
        return "closed"


async def connect(door: Door, headers: dict[str, str] = UPGRADE) -> Peer:
    peer = await Peer.connect(door.port)
    door.peers.append(peer)
    await peer.stream.send_all(request(target=OTHER, headers=headers) + b"early")
    return peer


async def answer(peer: Peer) -> bytes:
    said = b""
    with trio.fail_after(60):
        while not said.endswith((b"early", b"upgrade", b"Unauthorized", b"Found")):
            data = await peer.stream.receive_some()
            if not data:
                break
            said += data
    return said


async def test_a_guest_is_handed_over() -> None:
    host, admission = Host(), Admission()
    async with open_door(others={OTHER: host.welcome}, admission=admission) as door:
        peer = await connect(door)
        assert (await answer(peer)).endswith(b"early")
        assert host.caller is not None
        assert host.caller.key == UPGRADE["Sec-WebSocket-Key"]
        assert host.caller.may_post and host.caller.raw is not None
        assert admission.present == 1
        host.go.set()
        assert await peer.stream.receive_some() == b""
        assert admission.present == 0
        assert admission.statistics().departed == {"closed": 1}


async def test_a_guest_that_breaks_off_ends_nothing() -> None:
    host, admission = Host(), Admission()
    host.breaks = True
    async with open_door(others={OTHER: host.welcome}, admission=admission) as door:
        await answer(await connect(door))
        host.go.set()
        while admission.present:
            await wait_all_tasks_blocked(0.01)
        await answer(await connect(door))


async def test_nobody_else_is_at_that_path() -> None:
    async with open_door() as door:
        assert (await answer(await connect(door))).startswith(b"HTTP/1.1 404")


async def test_there_is_a_limit_for_all_together() -> None:
    host, admission = Host(), Admission(total=0)
    async with open_door(others={OTHER: host.welcome}, admission=admission) as door:
        assert (await answer(await connect(door))).startswith(b"HTTP/1.1 503")
    assert host.caller is None


async def test_a_handshake_has_its_time(autojump_clock: trio.abc.Clock) -> None:
    async def idle(caller: Caller) -> str:
        await trio.sleep_forever()
        raise AssertionError

    limits = WebSocketLimits(stall_timeout=30)
    async with open_door(others={OTHER: idle}, limits=limits) as door:
        peer = await connect(door)
        assert await answer(peer) == b""


async def test_tokens() -> None:
    tokens = read_tokens(entry())
    guard = Guard(tokens=tokens, make_ticket=lambda: "t", clock=lambda: 0.0)
    host = Host()
    async with open_door(others={OTHER: host.welcome}, guard=guard) as door:
        assert (await answer(await connect(door))).startswith(b"HTTP/1.1 401")
        peer = await connect(door, BEARER)
        assert (await answer(peer)).endswith(b"early")
        assert host.caller is not None and not host.caller.may_post
        guard.replace(read_tokens(entry("other", f'token = "{SECRET[::-1]}"')))
        assert await peer.stream.receive_some() == b""


async def test_the_http_server_hands_them_over() -> None:
    host = Host()
    async with open_door(others={OTHER: host.welcome}, by_http=True) as door:
        peer = await connect(door)
        assert (await answer(peer)).endswith(b"early")
        host.go.set()
