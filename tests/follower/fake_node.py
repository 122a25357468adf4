"""A node that does what a test says, on streams in memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import h11
import trio
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from tests.follower.chain import MadeChain
from tests.follower.wires import http, read_request

Answer = dict[str, Any]
_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def refused(text: str, code: int = -32603) -> Answer:
    return {"error": {"code": code, "message": "Internal error", "data": text}}


class FakeNode:
    """Answers as CometBFT 0.38 does of what `chain` has; `special` may answer instead.

    `special(method, height)` gives an answer, the bytes of a whole HTTP answer, or None.
    """

    def __init__(self, chain: MadeChain) -> None:
        self.chain = chain
        self.lowest = chain.first
        self.tip: int | None = None
        self.executing: set[int] = set()
        self.takes = 0.0
        self.takes_batches = True
        self.most_calls = 10
        """In one batch."""
        self.has_websocket = True
        self.room = True
        self.greeting: bytes | None = None
        self.executes_for = 0.0
        """Seconds for a call on the WebSocket."""
        self.special: Callable[[str, int], Answer | bytes | None] = lambda *_: None
        self.calls: list[tuple[str, int]] = []
        self.over_websocket: list[str] = []
        self.busy = self.most_busy = 0
        self._sockets: set[_Socket] = set()
        self._open: set[_Socket] = set()

    @property
    def latest(self) -> int:
        return self.chain.last if self.tip is None else self.tip

    def count(self, method: str) -> int:
        return [name for name, _ in self.calls].count(method)

    async def __call__(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        while (request := await read_request(stream, connection)) is not None:
            head, body = request
            headers = dict(head.headers.raw_items())
            if head.target.endswith(b"/websocket"):
                await self._websocket(stream, connection, head)
                return
            assert b"Host" in headers or b"host" in headers
            self.busy += 1
            self.most_busy = max(self.busy, self.most_busy)
            await trio.sleep(self.takes)
            named = {"id": -1, "method": head.target.decode()[1:], "params": {}}
            answer = self.answered(json.loads(body) if body else named)
            self.busy -= 1
            if answer == b"":
                return
            await stream.send_all(answer)
            connection.send(h11.Response(status_code=200, headers=[]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()

    def answered(self, asked: Any) -> bytes:
        if isinstance(asked, dict):
            answer = self._answer(asked)
            return answer if isinstance(answer, bytes) else http(_text(answer))
        most = self.most_calls if self.takes_batches else 1
        if len(asked) > most:
            text = f"batch request exceeds maximum ({most}) allowed"
            return http(_text(refused(text, -32600)))
        answers = []
        for each in asked:
            answer = self._answer(each)
            if isinstance(answer, bytes):
                return answer
            answers.append(answer)
        return http(_text(answers))

    def _answer(self, call: Answer) -> Answer | bytes:
        method = call["method"]
        height = int(call["params"].get("height", 0))
        self.calls.append((method, height))
        answer = self.special(method, height)
        if isinstance(answer, bytes):
            return answer
        if answer is None:
            answer = self._usual(method, height)
        return {"jsonrpc": "2.0", "id": call["id"], **answer}

    def _usual(self, method: str, height: int) -> Answer:
        if method == "status":
            return {"result": self.status()}
        if method == "health":
            return {"result": {}}
        if height > self.latest:
            return refused(
                f"height {height} must be less than or equal to the current blockchain"
                f" height {self.latest}"
            )
        if height < self.lowest:
            return refused(
                f"height {height} is not available, lowest height is {self.lowest}"
            )
        if method == "block":
            return {"result": self.chain.blocks[height]}
        if method == "commit":
            return {"result": self.chain.commit(height)}
        assert method == "block_results"
        if height in self.executing:
            return refused(f"could not find results for height #{height}")
        return {"result": self.chain.results[height]}

    def status(self) -> Answer:
        return {
            "node_info": {"network": self.chain.chain_id, "version": "0.38.11"},
            "sync_info": {
                "latest_block_hash": "",
                "latest_block_height": str(self.latest),
                "earliest_block_height": str(self.lowest),
                "catching_up": False,
            },
        }

    async def announce(self, **more: object) -> None:
        """Tell those who subscribed of the newest header, and of more."""
        header = self.chain.blocks[self.latest]["block"]["header"]
        data = {
            "type": "tendermint/event/NewBlockHeader",
            "value": {"header": header, **more},
        }
        result = {"query": "tm.event='NewBlockHeader'", "data": data, "events": {}}
        for each in list(self._sockets):
            await each.say({"jsonrpc": "2.0", "id": 1, "result": result})

    async def hang_up(self, last: bytes = b"") -> None:
        """End all WebSockets, after some bytes."""
        for each in list(self._open):
            await each.hang_up(last)

    @property
    def subscribed(self) -> int:
        return len(self._sockets)

    async def _websocket(
        self, stream: trio.abc.Stream, connection: h11.Connection, head: h11.Request
    ) -> None:
        if not self.has_websocket:
            await stream.send_all(http(b"no", "404 Not Found"))
            return
        headers = {name.lower(): value for name, value in head.headers}
        key = headers[b"sec-websocket-key"].decode()
        accept = base64.b64encode(
            hashlib.sha1((key + _SALT).encode()).digest()
        ).decode()
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
            + accept.encode()
            + b"\r\n\r\n"
        )
        socket = _Socket(stream)
        self._open.add(socket)
        if self.greeting is not None:
            await socket.say_text(self.greeting.decode())
        try:
            async with aclosing(socket.calls(connection.trailing_data[0])) as calls:
                async for call in calls:
                    self.over_websocket.append(call["method"])
                    if call["method"] != "health":
                        await trio.sleep(self.executes_for)
                    if call["method"] == "subscribe":
                        answer: Answer | bytes = {"id": 1, "result": {}}
                        if self.room:
                            self._sockets.add(socket)
                        else:
                            text = "max_subscriptions_per_client 5 reached"
                            answer = {"id": 1, **refused(text)}
                    else:
                        usual = self._usual(
                            call["method"], int(call["params"].get("height", 0))
                        )
                        answer = {"jsonrpc": "2.0", "id": call["id"], **usual}
                    await socket.say(answer)
        finally:
            self._sockets.discard(socket)
            self._open.discard(socket)


class _Socket:
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._frames = FrameProtocol(client=False, extensions=[])

    async def say(self, message: object) -> None:
        await self.say_text(_text(message).decode())

    async def say_text(self, text: str) -> None:
        await self._stream.send_all(self._frames.send_data(text, fin=True))

    async def hang_up(self, last: bytes) -> None:
        await self._stream.send_all(last)
        await self._stream.aclose()

    async def calls(self, data: bytes) -> Any:
        text = ""
        while True:
            self._frames.receive_bytes(data)
            for frame in self._frames.received_frames():
                if frame.opcode is Opcode.CLOSE:
                    await self._stream.send_all(
                        self._frames.close(CloseReason.NORMAL_CLOSURE)
                    )
                    return
                if frame.opcode is Opcode.TEXT:
                    text += str(frame.payload)
                    if frame.message_finished:
                        yield json.loads(text)
                        text = ""
            data = bytes(await self._stream.receive_some())
            if not data:
                return


def _text(answer: object) -> bytes:
    return json.dumps(answer).encode()
