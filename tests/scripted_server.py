"""Servers of the stream that do what a test says, on streams in memory.

Each host has a list of acts, one a connection, in the order in which they come; a
host without more acts refuses connections, as a process that is down.

    network = Network()
    network.host("a", act, another)
    async with open_stream("ws://a", open_tcp=network.open_tcp) as events: ...
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import trio
from trio.testing import memory_stream_pair
from wsproto.frame_protocol import FrameProtocol, Opcode

Act = Callable[["Visit"], Awaitable[None]]

_ACCEPT_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def hexes(*words: object) -> str:
    """64 hex digits that are the same for the same words."""
    return hashlib.sha256(repr(words).encode()).hexdigest()


def message(height: int, index: int, **more: object) -> dict[str, object]:
    """The event at a place of the history that all scripted servers share."""
    transaction_id = hexes(height, index)
    return {
        "height": height,
        "asset_id": transaction_id,
        "transaction_id": transaction_id,
        "index": index,
        "position": f"{height}:{index}:{transaction_id[:8]}",
        "time": "2026-01-02T03:04:05.123456789Z",
        "tx_hash": hexes(transaction_id).upper(),
        **more,
    }


def end_of(height: int) -> str:
    """The position of a finished block in that history."""
    return f"{height}::{hexes(height)[:8]}"


BEGINNING = end_of(0)


@dataclass
class Visit:
    """One connection, seen by the server."""

    stream: trio.abc.Stream
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    def asked(self, name: str) -> str | None:
        """The one value of a parameter."""
        values = self.parameters.get(name)
        assert values is None or len(values) == 1
        return values[0] if values else None

    async def read_head(self) -> None:
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            more = await self.stream.receive_some(1)
            if not more:
                raise trio.BrokenResourceError("gone")
            data += bytes(more)
        first, *lines = data.decode().split("\r\n")[:-2]
        self.target = first.split(" ")[1]
        self.headers = {
            k.lower(): v for k, v in (line.split(": ", 1) for line in lines)
        }

    async def accept(
        self,
        position: str | None = BEGINNING,
        *,
        oldest: int = 1,
        tip: int | None = None,
        chain: str = "scripted",
    ) -> None:
        """Say 101, with where the stream begins; None: as a server that knows no positions."""
        key = self.headers["sec-websocket-key"] + _ACCEPT_SALT
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(
                hashlib.sha1(key.encode()).digest()
            ).decode(),
        }
        if "trio-stream" in self.headers.get("sec-websocket-protocol", ""):
            headers["Sec-WebSocket-Protocol"] = "trio-stream"
        if position is not None:
            headers |= {"Stream-Position": position, "Stream-Oldest": str(oldest)}
            headers |= {"Stream-Chain": chain}
        if tip is not None:
            headers |= {"Stream-Tip": str(tip)}
        await self._answer("101 Switching Protocols", headers)

    async def reject(self, status: int, body: object = None, **headers: str) -> None:
        """Answer with a status, and a body that is text or JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named |= {"Content-Length": str(len(text)), "Connection": "close"}
        await self._answer(f"{status} Status", named, text)

    async def send(self, *messages: Mapping[str, object] | str) -> None:
        for each in messages:
            text = each if isinstance(each, str) else json.dumps(each)
            await self.stream.send_all(bytes(_frames().send_data(text, fin=True)))

    async def notice(self, notice: str, position: str, **more: object) -> None:
        said = {"notice": notice, "position": position, "chain": "scripted", **more}
        await self.send(said)

    async def close(self, code: int, reason: str | None = None) -> None:
        """Say goodbye, and wait for the answer."""
        await self.stream.send_all(bytes(_frames().close(code, reason)))
        await self.until_gone()

    async def until_gone(self, *, pong: bool = True) -> int | None:
        """Read until the client says Close, whose code this is, or is gone: None."""
        protocol = FrameProtocol(client=False, extensions=[])
        while data := await self.stream.receive_some():
            protocol.receive_bytes(bytes(data))
            for frame in protocol.received_frames():
                if frame.opcode is Opcode.CLOSE:
                    assert isinstance(frame.payload, tuple)
                    code = int(frame.payload[0])
                    await self.stream.send_all(bytes(_frames().close(code)))
                    return code
                if frame.opcode is Opcode.PING and pong:
                    assert isinstance(frame.payload, bytes | bytearray)
                    answer = _frames().pong(bytes(frame.payload))
                    await self.stream.send_all(bytes(answer))
        return None

    async def _answer(
        self, status: str, headers: Mapping[str, str], body: str = ""
    ) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join([*lines, "", ""])
        await self.stream.send_all((head + body).encode())


def _frames() -> FrameProtocol:
    return FrameProtocol(client=False, extensions=[])


def history(blocks: Sequence[int]) -> list[dict[str, object]]:
    """The events of a chain whose blocks have so many transactions each."""
    return [
        message(height, index)
        for height, size in enumerate(blocks, start=1)
        for index in range(size)
    ]


ALL = history([2, 0, 3])
"""What `serve` serves."""


def after_of(visit: Visit) -> int:
    """How many events of ALL the client has."""
    after = visit.asked("after")
    if after in (None, "earliest", end_of(0)):
        return 0
    return [event["position"] for event in ALL].index(after) + 1


def serve(count: int | None = None, *, code: int | None = None) -> Act:
    """Send what comes next, so many events of it, and then hang up, or close with a code."""

    async def act(visit: Visit) -> None:
        seen = after_of(visit)
        asked = visit.asked("after")
        await visit.accept(asked if seen and asked else end_of(0), tip=3)
        end = len(ALL) if count is None else seen + count
        await visit.send(*ALL[seen:end])
        if code is not None:
            await visit.close(code)
        elif count is None:
            await visit.until_gone()

    return act


def rejecting(status: int, body: object = None, **headers: str) -> Act:
    async def act(visit: Visit) -> None:
        await visit.reject(status, body, **headers)

    return act


def sending(*messages: Mapping[str, object] | str) -> Act:
    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*messages)
        await visit.until_gone()

    return act


class Kept:
    """A checkpoint in memory."""

    def __init__(self, position: str | None = None) -> None:
        self.position = position
        self.saved: list[str] = []

    def load(self) -> str | None:
        return self.position

    def save(self, position: str) -> None:
        self.saved.append(position)


class Network:
    """Where scripted servers are found; its `open_tcp` goes into a client's options."""

    def __init__(self, nursery: trio.Nursery | None = None) -> None:
        # Without a nursery of the test's: wherever Trio runs when a client comes.
        self._start: Callable[..., object] = trio.lowlevel.spawn_system_task
        if nursery is not None:
            self._start = nursery.start_soon
        self._acts: dict[str, list[Act]] = {}
        self.pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]
        self.pair = memory_stream_pair
        self.visits: list[tuple[str, Visit]] = []
        """All connections so far, by host."""
        self.refused: list[float] = []
        """When somebody came to a host without more acts."""

    def host(self, name: str, *acts: Act) -> None:
        self._acts.setdefault(name, []).extend(acts)

    async def open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if not self._acts.get(host):
            self.refused.append(trio.current_time())
            raise ConnectionRefusedError(f"{host}:{port} is down")
        ours, theirs = self.pair()
        act = self._acts[host].pop(0)
        visit = Visit(theirs)
        self.visits.append((host, visit))
        self._start(self._play, act, visit)
        return ours

    async def _play(self, act: Act, visit: Visit) -> None:
        # A client may leave at any moment.
        with suppress(trio.BrokenResourceError):
            async with visit.stream:
                await visit.read_head()
                await act(visit)

    def asked(self, name: str) -> list[str | None]:
        """What each connection asked for under this name."""
        return [visit.asked(name) for _, visit in self.visits]
