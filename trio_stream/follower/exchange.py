"""Kept HTTP/1.1 connections to one node of a chain, or to what stands before it.

`engine.rpc` is for our own engine: on the same machine, small answers, and a broadcast must not be
made twice. Here the peer may be anybody: TLS, statuses, proxies, answers of hundreds of megabytes,
and each request may be repeated.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import NamedTuple

import h11
import trio

from trio_stream.cometbft.errors import TooLarge, Truncated
from trio_stream.follower import statuses
from trio_stream.follower.dialing import Address, OpenStream, dial
from trio_stream.follower.troubles import NoAnswer

IDLE_SECONDS = 5.0
"""The oldest releases close a connection after 10 idle seconds."""

AT_ONCE = 2.0
"""Seconds in which a peer that had closed a connection shows it."""

_RECEIVE = 64 * 1024
_IN_A_ROW = 128  # Chunks, or answers of 1xx, until others have a turn.

Hold = Callable[[int], Awaitable[None]]
"""Told how many bytes of an answer there are by now; waits until there is room, or raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Deadlines, in seconds."""

    connect: float = 10.0
    first_byte: float = 120.0
    """Osmosis' daily block takes a node more than a minute."""
    stall: float = 30.0
    """From any bytes of an answer to the next."""
    whole: float = 600.0
    """For an answer altogether: 256 MiB at half a megabyte a second."""


PATIENCE = Patience()


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class _Asked(NamedTuple):
    method: str
    target: str
    body: bytes
    limit: int
    hold: Hold | None


class _Connection:
    """One exchange at a time."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)
        self.rested_since = 0.0


class Exchange:
    """At most `connections` to one address; more requests wait in line, with no deadline of theirs
    but those of the requests before them."""

    def __init__(
        self,
        address: Address,
        *,
        connections: int,
        patience: Patience = PATIENCE,
        open_tcp: OpenStream = trio.open_tcp_stream,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.open_tcp = open_tcp
        self.context = context
        self.patience = patience
        self._limit = trio.CapacityLimiter(connections)
        self._resting: list[_Connection] = []

    async def post(self, body: bytes, *, limit: int) -> bytes:
        """The body of the answer, of at most `limit` bytes; raises Trouble or BadBody."""
        return (await self.request("POST", "", body, limit=limit)).body

    async def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        limit: int,
        once: bool = False,
        hold: Hold | None = None,
    ) -> Reply:
        """The answer to a request for `target` below the address; raises Trouble or BadBody.

        A request that must not be made twice, which `once` says, has a connection of its own:
        a kept one may turn out to be closed after it was sent. Raises Unreachable only if it was
        not sent, or is answered with another address. It raises what `hold` raises.
        """
        asked = _Asked(method, self.address.path + target or "/", body, limit, hold)
        async with self._limit:
            connection = None if once else self._kept()
            if connection is not None:
                since = trio.current_time()
                try:
                    return await self._exchange(connection, asked)
                except NoAnswer:
                    # The peer may have closed it in the moment in which it was used again; if it
                    # took its time, the answer was too much for it.
                    if trio.current_time() - since > AT_ONCE:
                        raise
            return await self._exchange(await self._connect(), asked)

    async def aclose(self) -> None:
        """Close the connections that are idle."""
        while self._resting:
            await trio.aclose_forcefully(self._resting.pop().stream)

    def _kept(self) -> _Connection | None:
        # The newest is the last; older ones are closed by `_connect`.
        if self._resting:
            since = trio.current_time() - self._resting[-1].rested_since
            if since < IDLE_SECONDS:
                return self._resting.pop()
        return None

    async def _connect(self) -> _Connection:
        await self.aclose()
        seconds = self.patience.connect
        return _Connection(
            await dial(self.address, self.open_tcp, self.context, seconds)
        )

    async def _exchange(self, connection: _Connection, asked: _Asked) -> Reply:
        keep = False
        try:
            with trio.fail_after(self.patience.whole):
                answer = await self._ask(connection, asked)
            http = connection.http
            keep = http.our_state is http.their_state is h11.DONE
            if keep:
                http.start_next_cycle()
            return answer
        except trio.TooSlowError:
            seconds = self.patience.whole
            raise NoAnswer(f"no whole answer within {seconds:g} s") from None
        except h11.RemoteProtocolError as error:
            if connection.http.their_state is h11.SEND_BODY or (
                "without sending complete" in str(error)
            ):
                raise Truncated(
                    f"the connection ended within the body: {error}"
                ) from error
            raise NoAnswer(f"the answer is not HTTP: {error}") from error
        finally:
            if keep:
                connection.rested_since = trio.current_time()
                self._resting.append(connection)
            else:
                await trio.aclose_forcefully(connection.stream)

    async def _ask(self, connection: _Connection, asked: _Asked) -> Reply:
        http = connection.http
        request = h11.Request(
            method=asked.method,
            target=asked.target,
            headers=[
                ("Host", self.address.authority),
                ("User-Agent", "trio-stream"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(asked.body))),
            ],
        )
        data = http.send(request) + http.send(h11.Data(data=asked.body))
        http.send(h11.EndOfMessage())
        try:
            with trio.fail_after(self.patience.stall):
                await connection.stream.send_all(data)
        except trio.BrokenResourceError:
            pass  # What is too much may be answered before it is read.
        except trio.TooSlowError:
            raise NoAnswer("the request was not taken") from None
        return await self._answer(connection, asked)

    async def _answer(self, connection: _Connection, asked: _Asked) -> Reply:
        http = connection.http
        status, headers, events = 0, dict[str, str](), 0
        # At its end it gives its bytes away: to copy hundreds of megabytes would take a while.
        answer = BytesIO()
        seconds = self.patience.first_byte
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    with trio.fail_after(seconds):
                        data = await connection.stream.receive_some(_RECEIVE)
                except trio.TooSlowError:
                    if answer.tell():
                        raise Truncated(f"no bytes for {seconds:g} s") from None
                    raise NoAnswer(f"no answer within {seconds:g} s") from None
                except trio.BrokenResourceError:
                    data = b""
                if not data and http.their_state is h11.SEND_RESPONSE:
                    raise NoAnswer("the connection was closed without an answer")
                http.receive_data(bytes(data))
                seconds = self.patience.stall
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {
                    name.decode("latin-1"): value.decode("latin-1")
                    for name, value in event.headers
                }
                statuses.look(status, headers)
            elif isinstance(event, h11.Data):
                answer.write(event.data)
                if answer.tell() > asked.limit:
                    raise TooLarge(f"the body has more than {asked.limit} bytes")
                if asked.hold is not None:
                    await asked.hold(answer.tell())
            elif isinstance(event, h11.EndOfMessage):
                return Reply(status, headers, answer.getvalue())
            if (events := events + 1) % _IN_A_ROW == 0:
                await trio.lowlevel.checkpoint()
