"""The door over a real log, with clients on streams in memory."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from pathlib import Path
from typing import Any

import trio
import trio.testing
from trio.testing import memory_stream_pair
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from tests.log.followed.made import CHAIN, made, transfer
from tests.log.readers import inline
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.queries import Expression
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.jsonrpc.answers import Failure
from trio_stream.jsonrpc.calls import Call
from trio_stream.jsonrpc.conversation import Patience
from trio_stream.jsonrpc.door import DropIn, Passes
from trio_stream.log.followed.keep import EVERYTHING, Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.net.upgrades import Caller

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PATIENCE = 120.0

TX = "tm.event='Tx'"
BLOCK = "tm.event='NewBlock'"


def index_of(queries: Iterable[Expression]) -> QueryIndex:
    """An index of these queries."""
    index = QueryIndex()
    for query in queries:
        index.add(query)
    return index


def payment(height: int, *recipients: str) -> FollowedBlock:
    """A block with a transfer to each of them."""
    return made(height, *([transfer(each)] for each in recipients))


class Client:
    """A client of the door."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.head = b""
        self.closed: int | None = None
        self.pings = self.pongs = 0
        self.answers_pings = True
        self._protocol = FrameProtocol(client=True, extensions=[])
        self._messages: list[dict[str, Any]] = []
        self._text = ""

    async def greeted(self) -> None:
        """Take the 101."""
        while not self.head.endswith(b"\r\n\r\n"):
            assert await self._receive()

    async def send(self, message: str | bytes) -> None:
        await self.stream.send_all(self._protocol.send_data(message))

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def ping(self) -> None:
        await self.stream.send_all(self._protocol.ping(b"?"))

    async def close(self, code: int = 1000) -> None:
        await self.stream.send_all(self._protocol.close(CloseReason(code)))

    async def call(self, method: str, params: Any = None, *, id: Any = 1) -> None:
        given = {} if params is None else {"params": params}
        await self.send(
            json.dumps({"jsonrpc": "2.0", "id": id, "method": method, **given})
        )

    async def ask(self, method: str, params: Any = None, *, id: Any = 1) -> Any:
        await self.call(method, params, id=id)
        return await self.get()

    async def subscribe(self, query: str, *, id: Any = 1, **more: Any) -> None:
        answer = await self.ask("subscribe", {"query": query, **more}, id=id)
        assert answer == {"jsonrpc": "2.0", "id": id, "result": {}}, answer

    async def get(self) -> Any:
        """The next message; None at the end."""
        with trio.fail_after(PATIENCE):
            while not self._messages:
                if not await self._receive():
                    return None
        return self._messages.pop(0)

    async def got(self, count: int) -> list[Any]:
        return [await self.get() for _ in range(count)]

    async def frames(self, count: int) -> list[tuple[str, int]]:
        """The next frames: of which kind, and of which height."""
        return [kind_of(each) for each in await self.got(count)]

    async def end(self) -> int | None:
        """The code that the door closes with, after what else it sends; None without one."""
        with trio.fail_after(PATIENCE):
            while self.closed is None and await self._receive():
                pass
        await self.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        return self.closed

    async def _receive(self) -> bool:
        data = await self.stream.receive_some(65536)
        if not data:
            return False
        if not self.head.endswith(b"\r\n\r\n"):
            head, mark, data = (self.head + data).partition(b"\r\n\r\n")
            self.head = head + mark
        self._protocol.receive_bytes(bytes(data))
        for each in self._protocol.received_frames():
            if each.opcode is Opcode.TEXT or each.opcode is Opcode.CONTINUATION:
                self._text += str(each.payload)
                if each.message_finished:
                    self._messages.append(json.loads(self._text))
                    self._text = ""
            elif each.opcode is Opcode.PING:
                self.pings += 1
                if self.answers_pings:
                    await self.stream.send_all(self._protocol.pong(b""))
            elif each.opcode is Opcode.PONG:
                self.pongs += 1
            else:
                assert each.opcode is Opcode.CLOSE
                self.closed = int(each.payload[0])
        return True


def kind_of(frame: Any) -> tuple[str, int]:
    data = frame["result"]["data"]
    value = data["value"]
    found = value.get("TxResult") or value
    if "height" not in found:
        found = (found.get("block") or found)["header"]
    return data["type"].rpartition("/")[2], int(found["height"])


async def nobody(call: Call, *, may_post: bool, until_sent: ExitStack) -> bytes:
    """Answers calls that are passed on."""
    await trio.lowlevel.checkpoint()
    if call.method == "fail":
        raise Failure("no node answers")
    result = {"method": call.method, "params": call.params, "may_post": may_post}
    return json.dumps({"jsonrpc": "2.0", "id": call.id, "result": result}).encode()


class Site:
    """A log, its door, and the clients."""

    def __init__(
        self,
        nursery: trio.Nursery,
        log: FollowedLog,
        patience: Patience,
        passes: Passes,
    ) -> None:
        self.log = log
        self.nursery = nursery
        self.reader = FollowedReader(log.path, run_sync=inline)
        self.door = DropIn(self.reader, passes, patience=patience)
        self.stop = trio.Event()
        self.reasons: list[str] = []
        self.withdraw: Callable[[], None] = lambda: None

    def append(self, *entries: FollowedBlock | Gap) -> None:
        """Append blocks and gaps, and tell the door of all of them at once."""
        for each in entries:
            if isinstance(each, Gap):
                self.log.gap(each)
            else:
                self.log.append(each)
        self.door.advance(self.log.tip().height)

    async def client(
        self,
        *,
        early: bytes = b"",
        may_post: bool = True,
        streams: tuple[trio.abc.Stream, trio.abc.Stream] | None = None,
        raw: socket.socket | None = None,
    ) -> Client:
        ours, theirs = memory_stream_pair() if streams is None else streams
        caller = Caller(
            ours, raw, KEY, None, early, may_post, lambda: None, self._allowed
        )
        self.nursery.start_soon(self._welcome, caller)
        client = Client(theirs)
        await client.greeted()
        return client

    async def client_on_socket(self) -> Client:
        """A client that is given blocks in place."""
        raw, peer = socket.socketpair()
        ours, theirs = (
            trio.SocketStream(trio.socket.from_stdlib_socket(each))
            for each in (raw, peer)
        )
        return await self.client(streams=(ours, theirs), raw=raw)

    def _allowed(self, end: Callable[[], None]) -> AbstractContextManager[None]:
        self.withdraw = end
        return nullcontext()

    async def _welcome(self, caller: Caller) -> None:
        try:
            self.reasons.append(await self.door.welcome(caller) or "")
        finally:
            await trio.aclose_forcefully(caller.stream)


@asynccontextmanager
async def site(
    folder: Path,
    *blocks: FollowedBlock | Gap,
    patience: Patience | None = None,
    keep: Keep = EVERYTHING,
    passes: Passes = nobody,
) -> AsyncIterator[Site]:
    """A door over a log with these blocks."""
    with FollowedLog.open(folder, keep=keep) as log:
        log.begin(CHAIN)
        async with trio.open_nursery() as nursery:
            made_site = Site(nursery, log, patience or Patience(), passes)
            made_site.append(*blocks)
            run = made_site.door.run
            await nursery.start(
                lambda task_status: run(stop=made_site.stop, task_status=task_status)
            )
            yield made_site
            nursery.cancel_scope.cancel()
        await made_site.reader.aclose()
