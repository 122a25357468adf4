"""A subscriber that comes and goes, here and there, and goes on where it stopped.

It uses whatever door there is: WebSockets, Server-Sent Events, pulls. It checks that positions
only go forward, and that each answer begins where it was asked to.
"""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import trio
from trio.testing import wait_all_tasks_blocked

from tests.owed_messages import messages_of, place_of
from tests.served_node import BUFFER, ServedNode
from tests.websocket_peer import CLOSE, TEXT, UPGRADE, Peer, request
from trio_stream.http.events import EventStreams
from trio_stream.http.pull import Pull
from trio_stream.stream.position import Position, parse_position
from trio_stream.stream.selection import STREAMS_PATH

RESUME_AHEAD = 100  # the channel's default


class WanderingClient:
    """It knows what it was sent, and no more."""

    def __init__(self, path: str, *, notices: bool = False) -> None:
        self.path = path
        self.notices = notices
        self.start: Position | None = None  # where its first connection began
        self.position = Position.end_of(
            0
        )  # up to where it knows that it has everything
        self.resume = ""  # how it says that
        self.got: list[str] = []
        self.peer: Peer | None = None
        self.until: int | None = None  # what its connection was asked to end with

    async def connect(
        self, node: ServedNode, parameters: Mapping[str, str], *, to_tip: bool = False
    ) -> None:
        """Subscribe; if the node has to refuse that, it does."""
        assert self.peer is None
        given = dict(parameters)
        if to_tip and self.position.height <= node.height:
            given["until"] = "tip"
        if self.notices:
            given["notices"] = "1"
        peer = await Peer.connect(node.port, receive_buffer=BUFFER)
        target = STREAMS_PATH + self._with(given)
        await peer.send(request(target=target, headers=UPGRADE))
        head = (await peer.read_head()).decode()
        status = self._refused_by(node)
        if status is not None:
            await self._check_refusal(peer, head, status)
            peer.reset()
            return
        assert head.startswith("HTTP/1.1 101 "), head
        self._begin(head.partition("Stream-Position: ")[2].partition("\r\n")[0])
        self.until = node.height if "until" in given else None
        self.peer = peer

    async def go_on(self, node: ServedNode, *, to_tip: bool = False) -> None:
        await self.connect(node, self._after(), to_tip=to_tip)

    def _after(self) -> dict[str, str]:
        return {"after": self.resume}

    def _with(self, parameters: Mapping[str, str]) -> str:
        joint = "&" if "?" in self.path else "?"
        return f"{self.path}{joint}{urlencode(parameters)}"

    def _refused_by(self, node: ServedNode) -> int | None:
        """The status with which a node that is behind this client refuses it."""
        if self.position.height <= node.height:
            return None
        if len(self.resume) == 64:
            return 404  # an id that it does not know yet
        ahead = self.position.height - node.height
        return 503 if ahead > RESUME_AHEAD else None

    async def _check_refusal(self, peer: Peer, head: str, status: int) -> None:
        if not self.notices:
            assert head.startswith(f"HTTP/1.1 {status} "), head
            return
        opcode, text = await peer.next()
        assert (opcode, json.loads(str(text))["status"]) == (TEXT, status)
        opcode, reason = await peer.next()
        assert opcode == CLOSE and reason[0] == 4000 + status  # type: ignore[index]

    def _begin(self, said: str) -> None:
        began = parse_position(said).position
        if self.start is None:
            self.start = self.position = began
            self.resume = said
        assert began == self.position, (began, self.position)

    async def read(self, most: int) -> None:
        """Take up to so many frames of those that are there."""
        while most and self.peer is not None:
            frames = self.peer.take()
            if not frames and not await self._more_comes(self.peer):
                return
            for opcode, payload in frames[:most]:
                if opcode == CLOSE:
                    self._closed(payload)
                    return
                assert opcode == TEXT, (opcode, payload)
                self._take(str(payload))
            self.peer.put_back(frames[most:])
            most -= len(frames[:most])

    async def _more_comes(self, peer: Peer) -> bool:
        # Twice: the first time gives the node the room that has become free.
        for _ in range(2):
            await wait_all_tasks_blocked()
            if select.select([peer.raw], [], [], 0)[0]:
                if not await peer.read_some(BUFFER):
                    self.break_off()
                return True
        return False

    def _closed(self, payload: object) -> None:
        code = payload[0]  # type: ignore[index]
        if code == 1000:
            assert self.until is not None
            assert self.got == self.owed(self.until), self.path
        else:
            assert code == 1001, payload
        self.break_off()

    def _take(self, text: str) -> None:
        message = json.loads(text)
        if "notice" in message:
            self._know(message["position"], strictly=False)
            return
        if "tx_hash" in message and "error" in message:
            text = message["tx_hash"]
        self.got.append(text)
        if "position" in message:
            self._know(message["position"], strictly=True)
        else:
            # Only an id to go on from: its place is known from the history.
            self._step(place_of(message), strictly=True)
            self.resume = message["transaction_id"]

    def _know(self, said: str, *, strictly: bool) -> None:
        self._step(parse_position(said).position, strictly=strictly)
        self.resume = said

    def _step(self, position: Position, *, strictly: bool) -> None:
        assert position > self.position or (not strictly and position == self.position)
        self.position = position

    def break_off(self) -> None:
        if self.peer is not None:
            self.peer.reset()
            self.peer = None

    async def pull(self, node: ServedNode, limit: int) -> None:
        """Ask for the next messages, for one answer."""
        assert node.channel is not None
        name, _, query = self._with(self._after()).partition("?")
        pulled = await Pull(node.channel).answer(f"stream={name}&{query}&limit={limit}")
        assert pulled.answer.status == (self._refused_by(node) or 200)
        if pulled.answer.status != 200:
            return
        answer = json.loads(pulled.answer.body)
        assert len(answer["events"]) <= limit
        for event in answer["events"]:
            self._take(json.dumps(event))
        self._know(answer["next"], strictly=False)

    async def listen(self, node: ServedNode, most: int) -> None:
        """Take Server-Sent Events up to the tip, or break off after so many pieces."""
        assert node.channel is not None and most > 1
        refused = self._refused_by(node)
        if refused is None and self.position.height > node.height:
            return  # it would wait
        pieces: list[bytes] = []
        name, _, query = self._with({"until": "tip"}).partition("?")
        with trio.CancelScope() as patience:

            async def send(message: Mapping[str, Any]) -> None:
                pieces.append(message.get("body", b""))
                if len(pieces) >= most:
                    patience.cancel()
                await trio.lowlevel.checkpoint()

            await EventStreams(node.channel).serve(
                name, query, {b"last-event-id": self.resume}, send
            )
        text = b"".join(pieces).decode()
        assert ("event: refused\n" in text) == (refused is not None), text
        for each in text.split("\n\n"):
            self._hear(dict(line.split(": ", 1) for line in each.split("\n") if line))

    def _hear(self, event: Mapping[str, str]) -> None:
        if "event" in event:  # a refusal, or the end
            return
        if "data" in event:
            self._take(event["data"])
        if "id" in event:
            self._know(event["id"], strictly=False)

    def owed(self, height: int) -> list[str]:
        """All that it should have got, once it has everything up to there."""
        assert self.start is not None
        return [
            text
            for number in range(1, height + 1)
            for position, text in messages_of(self.path, number)
            if position > self.start
        ]
