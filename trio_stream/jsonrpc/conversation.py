"""One client: what it says, what it is told, and when it is given up.

    listening   reads calls and answers them one after the other, as the engine does
    speaking    the only one to write: answers first, then the frames of what was subscribed

Who waits for something new is given a block in place, and speaks only if the socket takes less than
that. A client that is slow has a height, and its blocks come from the log when it gets there. It is
cut only if it takes no byte for a while, or if it is idle and does not answer a Ping.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import trio

from trio_stream.cometbft.queries import Expression
from trio_stream.jsonrpc.announced import Announced
from trio_stream.jsonrpc.blocks import Found, why_not
from trio_stream.jsonrpc.subscriptions import Large, Subscriptions
from trio_stream.jsonrpc.wire import (
    GOING_AWAY,
    NO_ANSWER,
    NOT_ALLOWED,
    Answer,
    Ended,
    Said,
    Wire,
)
from trio_stream.net.slices import joined, send_slices
from trio_stream.net.sockets import linger, reset_on_close, unacknowledged
from trio_stream.stream.frames import close_frame, ping_frame, text_head

T = TypeVar("T")

PIECE_BYTES: Final = 512 * 1024
"""Of a frame that is not copied as a whole: what a slow client keeps in memory."""

_RECEIVE_BYTES: Final = 16 * 1024
_PING: Final = ping_frame()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds for which a client is waited for."""

    ping_interval: float = 20.0
    pong_timeout: float = 20.0
    stall_timeout: float = 60.0


class Host(Protocol):
    """What a conversation needs of the door."""

    @property
    def height(self) -> int:
        """The newest block that was made."""

    @property
    def has_ended(self) -> bool:
        """Whether no more blocks come."""

    async def block(self, height: int, queries: list[Expression]) -> Found:
        """What a block has."""

    async def answer(self, conversation: Conversation, message: str) -> bytes | None:
        """The answer to a message, if it wants one."""

    def is_shared(self, profile: tuple[bytes, ...], announced: Announced) -> bool:
        """Whether other clients get the same bytes of that block now."""

    def changed(self, conversation: Conversation) -> None:
        """Its subscriptions are not the same as before."""

    def count(self, frames: int, size: int) -> None:
        """So much was sent."""


class Conversation:
    """A client after its upgrade."""

    def __init__(
        self,
        host: Host,
        stream: trio.abc.Stream,
        raw: socket.socket | None,
        *,
        early: bytes,
        may_post: bool,
        patience: Patience,
    ) -> None:
        self.subscriptions = Subscriptions()
        self.may_post = may_post
        self.until_sent = ExitStack()  # what a client holds until it has its answer
        self.reason: str | None = None
        self._host = host
        self._stream = stream
        self._raw = raw
        self._early = early
        self._patience = patience
        self._wire = Wire()
        is_plain = isinstance(stream, trio.SocketStream)
        self._send_now = raw.send if raw is not None and is_plain else None
        self._rest: memoryview | None = None
        self._unsent: list[bytes] = []
        self._is_last = self._is_idle = False
        self._news = trio.Event()
        self._sent = trio.Event()

    async def run(self) -> None:
        """Converse until one of both ends it, or the client is cut."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, nursery.cancel_scope)
                with suppress(trio.BrokenResourceError):  # in it, it would make a ring
                    await self._speak()
                nursery.cancel_scope.cancel()
            if self._is_last:
                with trio.move_on_after(self._patience.stall_timeout):
                    await linger(self._stream)
        finally:
            if self._raw is not None and (self.reason or "").startswith("stalled"):
                reset_on_close(self._raw)

    def wake(self) -> None:
        """There is something new. A plain function."""
        self._news.set()

    def offer(self, announced: Announced) -> bool:
        """Send what a new block has; False if not all of it is taken at once, and its task is to
        be woken. A plain function."""
        if self._send_now is None or not self._is_idle or self._news.is_set():
            return False
        subscriptions = self.subscriptions
        is_shared = self._host.is_shared(subscriptions.profile, announced)
        chunk = subscriptions.whole(announced, is_shared=is_shared)
        if chunk is None:
            return False
        size = len(chunk.data)
        try:
            sent = self._send_now(chunk.data) if size else 0
        except OSError:
            # It is full, or broken, which its task finds out in the same way.
            return False
        if sent < size:
            frames, end = subscriptions.passed_up_to(announced, sent)
            self._rest = memoryview(bytes(memoryview(chunk.data)[sent:end]))
            self._host.count(frames, end)
            return False
        subscriptions.passed(announced)
        self._host.count(chunk.frames, size)
        return True

    def withdraw(self) -> None:
        """Its token is not valid any more. A plain function."""
        self._say_last(close_frame(NOT_ALLOWED), "its token was withdrawn")

    async def _listen(self, scope: trio.CancelScope) -> None:
        try:
            data = self._early or await self._receive()
            while data:
                for step in self._wire.receive_data(data):
                    if isinstance(step, Ended):
                        self._say_last(step.data, step.reason)
                        # The one who speaks ends it.
                        await trio.sleep_forever()
                    await self._hear(step)
                data = await self._receive()
            self._leave("closed without Close")
        except trio.BrokenResourceError as error:
            self._leave(f"broken: {error.__cause__ or error}")
        scope.cancel()

    async def _hear(self, step: Said | Answer) -> None:
        with self.until_sent:
            if isinstance(step, Answer):
                self._unsent.append(step.data)
            elif (said := await self._host.answer(self, step.text)) is not None:
                self._unsent += (text_head(len(said)), said)
            else:
                return
            sent = self._sent = trio.Event()
            self._news.set()
            # Nothing more is read from a client that takes no answers.
            await sent.wait()

    async def _receive(self) -> bytes:
        """What the client says next; empty at its end, or if it is gone."""
        is_asked = False
        while True:
            patience = self._patience
            wait = patience.pong_timeout if is_asked else patience.ping_interval
            with trio.move_on_after(wait):
                return bytes(await self._stream.receive_some(_RECEIVE_BYTES))
            if not self._is_idle or (self._raw and unacknowledged(self._raw)):
                is_asked = False
            elif is_asked:
                self._say_last(close_frame(NO_ANSWER), "no answer to Ping")
                await trio.sleep_forever()
            else:
                is_asked = True
                self._unsent.append(_PING)
                self._news.set()

    async def _speak(self) -> None:
        while True:
            if self._rest is not None:
                rest, self._rest = self._rest, None
                await self._send(rest)
                continue
            if self._unsent:
                unsent, self._unsent = self._unsent, []
                sent, is_last = self._sent, self._is_last
                for each in joined(unsent):
                    await self._send(each)
                sent.set()
                if is_last:
                    return
                continue
            height = self.subscriptions.due(self._host.height)
            if height is not None:
                await self._tell(height)
            elif self._host.has_ended:
                self._say_last(close_frame(GOING_AWAY), "the channel has ended")
            else:
                self._news = trio.Event()
                self._is_idle = True
                try:
                    await self._news.wait()
                finally:
                    self._is_idle = False

    async def _tell(self, height: int) -> None:
        """Send what comes next of a block."""
        subscriptions = self.subscriptions
        found = await self._host.block(height, subscriptions.queries_at(height))
        if not isinstance(found, Announced):
            self._unsent.append(subscriptions.cancel(height, why_not(found)))
            self._host.changed(self)
            return
        if self._unsent or not found.covers(subscriptions.queries_at(height)):
            # One has come meanwhile, and is answered before it gets anything.
            return
        is_shared = self._host.is_shared(subscriptions.profile, found)
        chunk = subscriptions.take(found, is_shared=is_shared)
        del found
        if chunk.data:
            await self._send(chunk.data)
        if chunk.large is not None:
            await self._send_large(height, chunk.large)
        self._host.count(chunk.frames, len(chunk.data))

    async def _send_large(self, height: int, large: Large) -> None:
        """Send a frame in pieces, each taken from what all share, which is not kept meanwhile."""
        await self._send(large.start)
        offset, size = 0, 1
        while offset < size:
            found = await self._host.block(height, [large.subscription.query])
            if not isinstance(found, Announced):
                self._leave("cut: the log has dropped the block of half a frame")
                raise trio.BrokenResourceError(self.reason)
            shared = found.tails[large.number]
            size = len(shared)
            piece = shared[offset : offset + PIECE_BYTES]
            del found, shared
            await self._send(piece)
            offset += len(piece)
        self._host.count(1, size)
        large.subscription.number = large.number + 1

    async def _send(self, data: bytes | memoryview) -> None:
        try:
            await send_slices(self._stream, data, self._progress)
        except trio.BrokenResourceError as error:
            self._leave(f"broken: {error.__cause__ or error}")
            raise

    async def _progress(self, step: Callable[[], Awaitable[T]]) -> T:
        seconds = self._patience.stall_timeout
        with trio.move_on_after(seconds):
            return await step()
        self._leave(f"stalled: took nothing for {seconds:g} s")
        raise trio.BrokenResourceError(self.reason)

    def _say_last(self, data: bytes, reason: str) -> None:
        """Send this after what is unsent, and then nothing more."""
        if not self._is_last:
            self._leave(reason)
            self._is_last = True
            self._unsent.append(data)
            self._news.set()

    def _leave(self, reason: str) -> None:
        # The first reason counts.
        self.reason = self.reason or reason
