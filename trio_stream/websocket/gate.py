"""Who may subscribe: a request is read and judged before the WebSocket library sees it.

trio-websocket 0.12.2 answers a plain GET by itself and then waits for ever, so anything but a
valid upgrade is answered here, and so is a client that cannot start where it asks, since a
refusal after the upgrade has neither a status nor a body.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Final, Generic, NamedTuple
from urllib.parse import unquote

import h11
import trio

from trio_stream import __version__
from trio_stream.access.guard import (
    ALLOWED,
    Guard,
    Incoming,
    Refusal,
    Verdict,
    fields_of,
)
from trio_stream.access.tokens import Token
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.net.request_reader import Head, RequestReader
from trio_stream.net.seldom import Seldom
from trio_stream.net.sockets import linger
from trio_stream.stream.admission import Admission
from trio_stream.stream.handshake import (
    Rejection,
    Upgrade,
    full,
    judge,
    refusal,
    unreadable,
)
from trio_stream.stream.notices import stream_headers
from trio_stream.stream.page_request import S
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.resume import Beginning, ResumeRefused
from trio_stream.websocket.departures import kind_of
from trio_stream.websocket.guests import NOBODY, Guest, Others

logger = logging.getLogger(__name__)

SERVER: Final = f"trio_stream/{__version__}"
_RECEIVE_BYTES = 4 * 1024


class Admitted(NamedTuple, Generic[S]):
    """A client that was admitted."""

    address: str
    request: bytes
    early: bytes
    """What it sent after its request."""
    asked: Asked[S]
    beginning: Beginning
    token: Token | None = None
    """What allows it to be here, if anything has to."""


class Denied(NamedTuple):
    """A client that is admitted only to be sent a notice that it is refused."""

    address: str
    request: bytes
    early: bytes
    refused: ResumeRefused


class Gate(Generic[S]):
    """Reads requests, and admits clients as far as `admission` allows."""

    def __init__(
        self,
        channel: CommitChannel[S],
        admission: Admission,
        *,
        guard: Guard | None = None,
        others: Others = NOBODY,
        head_limit: int,
    ) -> None:
        self._channel = channel
        self._streams = channel.streams
        self._others = others
        self._guard = guard
        self._head_limit = head_limit
        self._admission = admission
        self._refusals, self._arrivals, self._departures = (
            Seldom(logger, at_most=60) for _ in range(3)
        )

    async def let_in(
        self, stream: trio.abc.Stream, peer: str, head: Head | None = None
    ) -> Admitted[S] | Denied | Guest | None:
        """Read the request; answer it if the client may not stay, and return None then.

        `head` is the request if it has been read already. Call `leave` when an admitted client has
        gone.
        """
        if head is None:
            read = await _read_head(stream, self._head_limit, self._channel.turn)
            if read is None:
                return None
            if isinstance(read, Rejection):
                self._refused(peer, read.status)
                await _answer(stream, read)
                return None
            head = read
        request, early = head
        forwarded = [v for name, v in request.headers if name == b"x-forwarded-for"]
        address = self._admission.address_of(peer, forwarded)
        refusal, token = self._allowed(request, peer)
        verdict: Upgrade | Rejection
        if refusal is not None:
            verdict = _forbidden(refusal)
        else:
            verdict = judge(
                request.method,
                request.target,
                request.headers,
                request.http_version,
                streams=self._streams,
                others=self._others,
            )
        if isinstance(verdict, Upgrade):
            limit = self._admission.enter(address)
            if limit is not None:
                verdict = full(limit)
            elif (welcome := self._others.get(verdict.stream)) is not None:
                return Guest(address, verdict, early, token, welcome)
            else:
                found = await self._place(verdict, address, early, token)
                if not isinstance(found, Rejection):
                    return found
                verdict = found
        self._refused(address, verdict.status)
        await _answer(stream, verdict, head_only=request.method == b"HEAD")
        return None

    def _refused(self, address: str, status: int) -> None:
        self._refusals.log(logging.INFO, "%s: refused with status %d", address, status)

    def leave(self, client: Admitted[S] | Denied | Guest) -> None:
        """Count out an admitted client."""
        self._admission.leave(client.address)

    def note_arrival(self, client: Admitted[S] | Denied | Guest) -> None:
        """Log that a client has its 101."""
        self._arrivals.log(logging.INFO, "%s: subscribed", client.address)

    def note_departure(
        self, client: Admitted[S] | Denied | Guest, reason: str | None
    ) -> None:
        """Log and count why a client has left that had its 101."""
        self._departures.log(logging.INFO, "%s: %s", client.address, reason)
        self._admission.note_departure(kind_of(reason))

    def _allowed(self, request: h11.Request, peer: str) -> Verdict:
        if self._guard is None:
            return ALLOWED
        return self._guard.judge(
            Incoming(
                request.method.decode("ascii"),
                unquote(request.target.partition(b"?")[0].decode("latin-1")),
                peer,
                fields_of(request.headers),
                websocket=True,
            )
        )

    async def _place(
        self, upgrade: Upgrade, address: str, early: bytes, token: Token | None
    ) -> Admitted[S] | Denied | Rejection:
        """Find where its stream begins. A client that is rejected has been counted out again."""
        stays = False
        try:
            request = upgrade.encode()
            try:
                asked = self._streams.subscription(upgrade.stream, upgrade.query)
                beginning = await self._channel.begin(asked)
                # Clients that were looked up together come back together.
                await self._channel.turn()
                stays = True
                return Admitted(address, request, early, asked, beginning, token)
            except BadRequest as error:
                refused = await self._channel.refuse(error)
            except ResumeRefused as error:
                # Its traceback holds this frame, and the frame would hold the error.
                refused = error.with_traceback(None)
            stays = refused.notices
            if stays:
                return Denied(address, request, early, refused)
            return refusal(refused)
        finally:
            if not stays:
                self._admission.leave(address)


async def _read_head(
    stream: trio.abc.Stream, limit: int, turn: Callable[[], Awaitable[None]]
) -> Head | Rejection | None:
    """The request and what came after it; None if the peer closed before that."""
    reader = RequestReader(head_limit=limit)
    try:
        while (event := reader.next_event()) is h11.NEED_DATA:
            if not limit:
                return unreadable(431 if b"\n" in reader.trailing_data[0] else 414)
            data = await stream.receive_some(min(limit, _RECEIVE_BYTES))
            if not data:
                return None
            limit -= len(data)
            await turn()
            reader.receive_data(bytes(data))
    except h11.RemoteProtocolError as error:
        # A frame of h11's in the traceback refers to the error.
        error.__traceback__ = None
        return unreadable(error.error_status_hint)
    assert isinstance(event, h11.Request)
    return Head(event, reader.trailing_data[0])


def _forbidden(refusal: Refusal) -> Rejection:
    text = f"{refusal.status}: {refusal.message}"
    return Rejection(refusal.status, text, dict(refusal.headers))


def headers_of(client: Admitted[S] | Denied) -> list[tuple[bytes, bytes]]:
    """What the 101 says beside the handshake: what BigchainDB says, and about the stream."""
    if isinstance(client, Admitted):
        said = stream_headers(client.beginning.text, client.beginning.landmarks)
    else:
        said = stream_headers(None, client.refused.landmarks)
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Date", formatdate(usegmt=True)),
        ("Server", SERVER),
        *said,
    ]
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]


def last_words(rejection: Rejection, *, head_only: bool = False) -> bytes:
    """The bytes of an answer after which the connection is closed."""
    date = formatdate(usegmt=True)
    return rejection.encode(server=SERVER, date=date, head_only=head_only)


async def _answer(
    stream: trio.abc.Stream, rejection: Rejection, *, head_only: bool = False
) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(last_words(rejection, head_only=head_only))
    await linger(stream)
