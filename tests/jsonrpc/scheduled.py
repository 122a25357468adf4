"""A client on a real socket that takes what it likes, and whether it got what it is owed."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

import trio
from wsproto.frame_protocol import FrameProtocol, Opcode

from tests.jsonrpc.drop_in import KEY, Site, kind_of, nobody
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.jsonrpc.calls import Call
from trio_stream.net.upgrades import Caller

Seen = tuple[str, int, int]
"""Of which kind a frame is, of which height, and which transaction."""

FIRST = 5
QUERIES = {
    "tm.event='Tx'": "",
    "tm.event = 'NewBlock'": "",
    "tm.event='NewBlockHeader'": "",
    "transfer.recipient='a'": "a",
    "transfer.recipient='b'": "b",
    "transfer.recipient EXISTS OR tm.event='NewBlock'": "",
    "nobody.has='it'": "",
}


async def passes(call: Call, *, may_post: bool, until_sent: ExitStack) -> bytes:
    """A node, which is asked for the newest results if the log ends with a gap."""
    if call.method == "block_results":
        return b'{"result": {"finalize_block_events": []}}'
    return await nobody(call, may_post=may_post, until_sent=until_sent)


def _always(end: Callable[[], None]) -> AbstractContextManager[None]:
    """No token is withdrawn."""
    return nullcontext()


class Stingy:
    """A socket that takes a part of what is sent, or nothing."""

    def __init__(self, raw: socket.socket, drawn: random.Random) -> None:
        self._raw = raw
        self._drawn = drawn

    def send(self, data: bytes) -> int:
        take = self._drawn.choice([len(data), self._drawn.randint(0, len(data))])
        if not take:
            raise BlockingIOError
        return self._raw.send(memoryview(data)[:take])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class Subscribed:
    """What a client has asked for, and what it got of it."""

    def __init__(self, query: str, after: str | None, tip: int) -> None:
        self.query = query
        self.after = after
        self.lowest = self.highest = tip + 1
        """Where it may begin, without `after`."""
        self.got: list[Seen] = []
        self.positions: list[str | None] = []
        self.has_begun = self.has_ended = False
        self.resumes_at: int | None = None


class Reader:
    """A client: what it says, and what it makes of what it reads."""

    def __init__(self, here: Site, drawn: random.Random) -> None:
        self.all: dict[str, Subscribed] = {}
        self.pongs = self.pings = self.statuses = 0
        self.closed: int | None = None
        self.here = here
        self._calls = 0
        self._drawn = drawn
        self.asked: dict[str, str] = {}
        self._protocol = FrameProtocol(client=True, extensions=[])
        self._head = b""
        self._text = ""
        ours, self.peer = socket.socketpair()
        for each in (ours, self.peer):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            each.setblocking(False)
        self.stingy = Stingy(ours, drawn)
        self._ours = trio.SocketStream(trio.socket.from_stdlib_socket(ours.dup()))
        self.served = trio.Event()

    async def serve(self) -> None:
        raw: Any = self.stingy
        caller = Caller(self._ours, raw, KEY, None, b"", True, lambda: None, _always)
        try:
            await self.here.door.welcome(caller)
        except trio.BrokenResourceError:
            # It left before it was greeted.
            pass
        finally:
            await trio.aclose_forcefully(self._ours)
            self.stingy.close()
            self.served.set()

    def say(self, data: bytes) -> None:
        try:
            self.peer.send(data)
        except OSError:
            # It is not heard any more, or not yet: then it is not said.
            raise NotHeard from None

    def call(self, method: str, id: str, params: object) -> None:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.say(bytes(self._protocol.send_data(json.dumps(message))))
        self.asked[id] = method

    def act(self, tip: int) -> None:
        """Say something."""
        drawn = self._drawn
        active = [id for id, each in self.all.items() if not each.has_ended]
        what = drawn.choice(["subscribe"] * 4 + ["unsubscribe", "ping", "status"])
        self._calls += 1
        number = str(self._calls)
        if what == "subscribe":
            query, after = drawn.choice(list(QUERIES)), None
            # A query may be there once.
            if any(self.all[id].query == query for id in active):
                return
            if drawn.random() < 0.6:
                places = [
                    place
                    for each in self.all.values()
                    for place in each.positions
                    if place is not None
                ]
                after = drawn.choice(
                    ["earliest", str(drawn.randint(FIRST - 1, tip)), *places[-3:]]
                )
            more = {} if after is None else {"after": after}
            self.call("subscribe", number, {"query": query, **more})
            self.all[number] = Subscribed(query, after, tip)
        elif what == "unsubscribe" and active:
            end = f"end of {(id := drawn.choice(active))}"
            if end not in self.asked:
                self.call("unsubscribe", end, {"query": self.all[id].query})
        elif what == "ping":
            self.say(bytes(self._protocol.ping(b"?")))
            self.pings += 1
        elif what == "status":
            self.call("status", f"status {number}", {})

    def read(self, most: int, tip: int) -> bool:
        """Take so many bytes at most; whether there were any."""
        try:
            data = self.peer.recv(most)
        except BlockingIOError:
            return False
        if not self._head.endswith(b"\r\n\r\n"):
            self._head, mark, data = (self._head + data).partition(b"\r\n\r\n")
            self._head += mark
        self._protocol.receive_bytes(data)
        for each in self._protocol.received_frames():
            if each.opcode is Opcode.TEXT or each.opcode is Opcode.CONTINUATION:
                self._text += str(each.payload)
                if each.message_finished:
                    self._take(json.loads(self._text), tip)
                    self._text = ""
            elif each.opcode is Opcode.PONG:
                assert each.payload == b"?"
                self.pongs += 1
            else:
                assert each.opcode is Opcode.CLOSE
                self.closed = int(each.payload[0])
        return True

    def _take(self, message: Any, tip: int) -> None:
        assert self.closed is None
        id = message["id"]
        method = self.asked.pop(id, None)
        if method == "status":
            self.statuses += 1
            assert message["result"]["method"] == "status"
        elif method == "unsubscribe":
            self.asked[id] = "done"
            # A gap may have ended it before.
            self.all[id.removeprefix("end of ")].has_ended = True
        elif method == "subscribe":
            self.asked[id] = "done"
            each = self.all[id]
            each.has_begun, each.highest = "error" not in message, tip + 1
            each.has_ended = not each.has_begun
            if each.has_ended:
                assert each.after is not None or "already" in str(message), message
        else:
            each = self.all[id]
            assert each.has_begun and not each.has_ended
            if "error" in message:
                each.has_ended = True
                each.resumes_at = int(message["error"]["after"])
                return
            result = message["result"]
            assert result["query"] == each.query
            kind, height = kind_of(message)
            found = result["data"]["value"].get("TxResult", {})
            each.got.append((kind, height, int(found.get("index", 0))))
            each.positions.append(result.get("position"))


class NotHeard(Exception):
    """Nothing was said."""


def owed(query: str, blocks: Sequence[FollowedBlock]) -> Iterator[Seen]:
    """Everything that a query holds of."""
    for block in blocks:
        for kind in ("NewBlock", "NewBlockHeader"):
            if kind + "'" in query:
                yield kind, block.height, 0
        for index, result in enumerate(block.results.txs):
            to = {a.value for e in result.events for a in e.attributes}
            if "'Tx'" in query or "EXISTS" in query or to & {QUERIES[query]}:
                yield "Tx", block.height, index


def check(each: Subscribed, blocks: Sequence[FollowedBlock], last: int | None) -> None:
    """Whether that was got which is owed up to `last`, or a part of it if that is None."""
    everything = list(owed(each.query, blocks))
    if each.after is None:
        starts = {(height, -1) for height in range(each.lowest, each.highest + 1)}
    elif each.after == "earliest":
        starts = {(FIRST, -1)}
    else:
        after, _, rest = each.after.partition(":")
        tx, _, _ = rest.partition(":")
        starts = {(int(after), int(tx)) if tx else (int(after) + 1, -1)}
    until = each.resumes_at if each.resumes_at is not None else last
    fitting = []
    for height, index in starts:
        due = [
            (kind, at, number)
            for kind, at, number in everything
            if at > height
            or (at == height and (index < 0 or (kind == "Tx" and number > index)))
        ]
        # A gap ends all that begin before it.
        ends = [
            a.height for a, b in pairs(blocks) if b.height > max(height, a.height + 1)
        ]
        gap = next(iter(ends), None)
        if gap is not None:
            due = [one for one in due if one[1] <= gap]
        if until is None or each.resumes_at is None and each.has_ended:
            due = due[: len(each.got)]
        fitting.append(due)
    assert each.got in fitting, (each.query, each.after, each.got, fitting)


def pairs(blocks: Sequence[FollowedBlock]) -> Iterator[tuple[Any, Any]]:
    return zip(blocks, blocks[1:], strict=False)
