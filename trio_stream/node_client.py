"""Asks the consensus node to broadcast a transaction: JSON-RPC over HTTP/1.1.

Ten releases of the engine answer differently; here they are made one. What the
application refused at its check is a `CheckResult` with a code, whether the engine sends
a result or, as CometBFT 1.0 does, an error. What the engine itself refused is
`NodeRefused`. Everything else is `NodeUnavailable`, which says whether the node may have
taken the transaction all the same: an engine drops a caller without a word when its
answer comes later than about eleven seconds, so silence is never a refusal.

Connections are kept and used again. Go's server closes an idle one after a while,
perhaps in the moment in which the next request is written; then nothing comes back and
the request is made once more on a new connection. To broadcast twice is harmless, since
the engine's cache of seen transactions refuses the second copy; after such a repetition
that refusal means that the first copy had arrived, and counts as success.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import h11
import trio

Mode = Literal["async", "sync"]

# Answers to broadcasts are a few hundred bytes; a log of the application may be longer.
ANSWER_LIMIT = 1024 * 1024
# Go's server closes an idle connection after 10 s in the oldest engines, later ones wait
# longer. One that has rested this long is not worth the risk.
IDLE_LIMIT = 5.0
_RECEIVE = 64 * 1024

# "Tx ..." to Tendermint 0.32, "tx ..." since; the second is that of the app mempool.
_KNOWN = re.compile(r"tx already exists in cache|tx already seen", re.IGNORECASE)
# CometBFT 1.0 makes an error of what its forerunners return as a result with a code.
_CHECK_FAILED = "broadcast error on transaction validation"
_CODE = re.compile(r"\bcode=(\d+)")


class NodeUnavailable(Exception):
    """There is no answer that could be understood.

    `may_have_arrived`: the request went out, so that the transaction may be committed.
    """

    def __init__(self, reason: str, may_have_arrived: bool) -> None:
        super().__init__(reason, may_have_arrived)
        self.reason = reason
        self.may_have_arrived = may_have_arrived

    def __str__(self) -> str:
        return self.reason


class NodeRefused(Exception):
    """The engine answered with an error before the application was asked."""

    def __init__(self, message: str, data: str, code: int) -> None:
        super().__init__(message, data, code)
        self.message = message
        self.data = data
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} - {self.data}"

    @property
    def already_known(self) -> bool:
        """Whether the engine has these very bytes in its cache."""
        return _KNOWN.search(self.data) is not None


class CheckResult(NamedTuple):
    """What the engine says of a transaction that it was given; code 0 is acceptance."""

    code: int
    log: str
    hash: str


class _NoAnswer(Exception):
    """The connection ended before a byte of the answer."""


class _Connection:
    """One kept connection to the node; one exchange at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.used = False
        self.rested_since = 0.0
        self._http = h11.Connection(h11.CLIENT)

    def fresh(self, now: float) -> bool:
        # Readable while nothing is owed: closed, or a peer that talks out of turn.
        resting = now - self.rested_since
        return resting < IDLE_LIMIT and not self.stream.socket.is_readable()

    async def exchange(self, request: h11.Request, body: bytes) -> bytes:
        """Send a request, return the body of its answer.

        Raises `_NoAnswer` when the peer closed without one, h11's RemoteProtocolError
        when what came is no HTTP.
        """
        http = self._http
        data = http.send(request) + http.send(h11.Data(body))
        http.send(h11.EndOfMessage())
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            # A body that is too big is answered before it is read to its end.
            pass
        answer = bytearray()
        received = False
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                try:
                    chunk = await self.stream.receive_some(_RECEIVE)
                except trio.BrokenResourceError:
                    chunk = b""
                if not chunk and not received:
                    raise _NoAnswer("the connection was closed without an answer")
                received = True
                http.receive_data(chunk)
            elif isinstance(event, h11.Data):
                answer += event.data
                if len(answer) > ANSWER_LIMIT:
                    raise h11.RemoteProtocolError("an answer that is too long")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(answer)

    def ready_again(self) -> bool:
        """Whether another exchange may follow on this connection."""
        if self._http.trailing_data[0]:
            return False
        try:
            self._http.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        self.used = True
        return True


class NodeClient:
    """Calls one engine over at most `max_connections`, each call within `timeout` seconds.

    Calls beyond that number wait in line, on the same deadline.
    """

    def __init__(self, url: str, *, max_connections: int, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(
                f"the node's address must be http://host:port, not {url!r}"
            )
        self._url = url
        self._host = parts.hostname
        self._port = parts.port or 80
        self._target = (parts.path or "/").encode("ascii")
        self._headers = [
            (b"host", parts.netloc.rpartition("@")[2].encode("ascii")),
            (b"content-type", b"application/json"),
        ]
        self._timeout = timeout
        self._limit = trio.CapacityLimiter(max_connections)
        self._resting: list[_Connection] = []
        self._numbers = itertools.count(1)
        self._closed = False

    async def broadcast(self, mode: Mode, raw: bytes) -> CheckResult:
        """Give the node a transaction.

        In mode "sync" the code is the application's verdict; "async" does not wait for
        it. Raises `NodeRefused`, `NodeUnavailable`.
        """
        transaction = base64.b64encode(raw).decode("ascii")
        answer, repeated = await self._call(f"broadcast_tx_{mode}", [transaction])
        if answer.get("error"):
            refused = _refusal(answer["error"])
            if refused.already_known and repeated:
                return CheckResult(0, "", "")
            if refused.data.startswith(_CHECK_FAILED):
                code = _CODE.search(refused.data)
                return CheckResult(int(code[1]) if code else 1, refused.data, "")
            raise refused
        result = answer.get("result")
        if not isinstance(result, dict):
            raise NodeUnavailable("an answer without a result", may_have_arrived=True)
        code, log, hash_ = (result.get(name) for name in ("code", "log", "hash"))
        return CheckResult(
            code if isinstance(code, int) else 0,
            log if isinstance(log, str) else "",
            hash_ if isinstance(hash_, str) else "",
        )

    async def aclose(self) -> None:
        """Close the resting connections; calls that are under way still end."""
        self._closed = True
        while self._resting:
            await trio.aclose_forcefully(self._resting.pop().stream)

    async def _call(
        self, method: str, params: list[str]
    ) -> tuple[dict[str, Any], bool]:
        """The JSON-RPC answer, and whether the request was made a second time."""
        # Never empty: engines answer nothing to a call without an id.
        number = str(next(self._numbers))
        body = json.dumps(
            {"method": method, "jsonrpc": "2.0", "params": params, "id": number}
        ).encode("ascii")
        sent = False
        try:
            with trio.fail_after(self._timeout):
                async with self._limit:
                    connection = await self._connected()
                    sent = True
                    try:
                        text = await self._exchange(connection, body)
                        repeated = False
                    except _NoAnswer:
                        if not connection.used:
                            raise
                        text = await self._exchange(await self._connect(), body)
                        repeated = True
        except OSError as error:
            raise NodeUnavailable(
                f"{self._url}: {error}", may_have_arrived=sent
            ) from error
        except trio.TooSlowError as error:
            raise NodeUnavailable(
                f"{self._url}: no answer within {self._timeout:g} s",
                may_have_arrived=sent,
            ) from error
        except (_NoAnswer, h11.RemoteProtocolError) as error:
            raise NodeUnavailable(
                f"{self._url}: {error}", may_have_arrived=True
            ) from error
        return _parsed(text, number), repeated

    def _request(self, body: bytes) -> h11.Request:
        headers = [
            *self._headers,
            (b"content-length", str(len(body)).encode("ascii")),
        ]
        return h11.Request(method=b"POST", target=self._target, headers=headers)

    async def _connected(self) -> _Connection:
        while self._resting:
            connection = self._resting.pop()
            if connection.fresh(trio.current_time()):
                return connection
            await trio.aclose_forcefully(connection.stream)
        return await self._connect()

    async def _connect(self) -> _Connection:
        return _Connection(await trio.open_tcp_stream(self._host, self._port))

    async def _exchange(self, connection: _Connection, body: bytes) -> bytes:
        """Send one request and read its answer; the connection rests or is closed then."""
        keep = False
        try:
            text = await connection.exchange(self._request(body), body)
            keep = connection.ready_again() and not self._closed
        finally:
            if not keep:
                await trio.aclose_forcefully(connection.stream)
        if keep:
            connection.rested_since = trio.current_time()
            self._resting.append(connection)
        return text


def _refusal(error: object) -> NodeRefused:
    if not isinstance(error, dict):
        raise NodeUnavailable("an error that is no object", may_have_arrived=True)
    code = error.get("code")
    return NodeRefused(
        # What BigchainDB puts where the engine says nothing.
        str(error.get("message", "Internal Error")),
        str(error.get("data", "")),
        code if isinstance(code, int) else 0,
    )


def _parsed(text: bytes, number: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NodeUnavailable(
            f"an answer that is not JSON: {text[:80]!r}", may_have_arrived=True
        ) from error
    if not isinstance(answer, dict):
        raise NodeUnavailable("an answer that is no object", may_have_arrived=True)
    # An error about the request as a whole comes without its id.
    if not answer.get("error") and answer.get("id") != number:
        raise NodeUnavailable("an answer to another request", may_have_arrived=True)
    return answer
