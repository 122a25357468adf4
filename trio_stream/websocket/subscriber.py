"""One admitted subscriber: its stream, its clone, and what passes between them.

And the task that pings all of them; `stream.keepalive` decides whom and when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.stream.frames import close_frame, ping_frame
from trio_stream.stream.keepalive import Keepalive, Verdict
from trio_stream.stream.notices import Notice
from trio_stream.stream.resume import Beginning
from trio_stream.websocket.notices import Teller
from trio_stream.websocket.subscriber_stream import State, SubscriberStream

# Copied and sent in one go if frames cannot be written in place.
_PIECE_BYTES = 64 * 1024
# The pinger lets other tasks run after this many.
_PINGS_AT_ONCE = 200
_PING = ping_frame()
_NOT_ALLOWED = 1008  # RFC 6455 §7.4.1
_FAREWELL_SECONDS = 2.0
_NO_ANSWER = 1011  # RFC 6455 has no code for this; other servers use it


class Ending(NamedTuple):
    """How a stream ends in an orderly way: the Close, and the reason for our own log."""

    code: int
    reason: str | None
    why: str


_FINISHED = Ending(1000, None, "the end that was asked for")
_GOING_AWAY = Ending(1001, None, "the channel has ended")


class Subscriber:
    """Sends a client what its clone of the channel has for it."""

    __slots__ = ("_clone", "_nursery", "_stream")

    def __init__(
        self,
        stream: SubscriberStream,
        clone: CommitReceiveChannel[Any],
        nursery: trio.Nursery,
    ) -> None:
        self._stream = stream
        self._clone = clone
        self._nursery = nursery

    async def serve(
        self, channel: CommitChannel[Any], beginning: Beginning, teller: Teller | None
    ) -> Ending:
        """Send everything from the beginning to the end.

        Raises `ResumeRefused` if the beginning turns out, once the log reaches it, to be of another
        history; `trio.ClosedResourceError` or `trio.BrokenResourceError` if the client has gone.
        """
        if teller is not None:
            await teller.tell_subscribed()
        try:
            if beginning.unproven is not None:
                await self._clone.reached()
                await channel.prove(beginning)
            await self._feed(teller)
        except trio.EndOfChannel:
            pass
        finished = self._clone.finished
        if teller is not None:
            await teller.tell(Notice.CHECKPOINT if finished else Notice.CLOSING)
        return _FINISHED if finished else _GOING_AWAY

    async def _feed(self, teller: Teller | None) -> None:
        # No shared frames are held while this waits for the socket.
        stream, clone = self._stream, self._clone
        while True:
            await stream.settle()
            if clone.behind:
                await stream.wait_send_all_might_not_block()
            if teller is not None:
                await teller.tell_what_is_due()
            batch = await clone.receive()
            if not batch.data:
                continue
            if stream.in_place:
                sent = stream.send_nowait(batch.frames, batch.offset)
                if sent is not None:
                    clone.seek(batch.frames.position_at(sent))
                end = len(batch.frames.data) if sent is None else sent
                clone.sent(end - batch.offset)
                del batch
            else:
                piece, position = batch.take(_PIECE_BYTES)
                clone.seek(position)
                del batch
                await stream.send_all(piece)
                clone.sent(len(piece))
            if teller is not None:
                teller.sent_messages()

    @property
    def pongs(self) -> int:
        return self._stream.inbound.pongs

    @property
    def quiet(self) -> bool:
        return self._clone.waiting and self._stream.drained

    def ping(self) -> bool:
        """Send a Ping; returns False if that is not possible now. A plain function."""
        if not self._stream.in_place:
            self._nursery.start_soon(self._stream.frame, _PING)
            return True
        sent = self._stream.frame_nowait(_PING)
        if self._stream.state is State.OWING:
            self._clone.owe()
        return sent

    def dismiss(self) -> None:
        """Close the connection of a client that did not answer. A plain function."""
        self._nursery.start_soon(self._stream.dismiss, _NO_ANSWER, "no answer to Ping")


async def withdraw(stream: SubscriberStream) -> None:
    """Close the connection of a client that is not allowed to be here any more."""
    stream.leave("its token was withdrawn")
    # What was sent to it before, and the Close, may take a while to arrive.
    with trio.move_on_after(_FAREWELL_SECONDS):
        await stream.frame(close_frame(_NOT_ALLOWED))
        await trio.sleep_forever()
    stream.cut("cut")


class Pinger:
    """Pings all subscribers, each when it is due.

    `volume` returns an upper bound for the bytes that a subscriber was sent so far.
    """

    def __init__(
        self, volume: Callable[[], int], *, interval: float, timeout: float
    ) -> None:
        self._volume = volume
        self._keepalive = Keepalive[Subscriber](interval=interval, timeout=timeout)
        self._somebody = trio.Event()

    @contextmanager
    def present(self, subscriber: Subscriber) -> Iterator[None]:
        """Ping this one until the end of the block."""
        now = trio.current_time()
        self._keepalive.join(subscriber, now=now, volume=self._volume())
        self._somebody.set()
        try:
            yield
        finally:
            self._keepalive.leave(subscriber)

    async def run(self) -> None:
        """Never returns."""
        while True:
            due = self._keepalive.next_due
            if due is None:
                self._somebody = trio.Event()
                await self._somebody.wait()
            else:
                await trio.sleep_until(due)
                self._look_at_due()

    def _look_at_due(self) -> None:
        # The ones left after so many are due at once, when other tasks have run.
        keepalive, volume = self._keepalive, self._volume()
        for _ in range(_PINGS_AT_ONCE):
            due = keepalive.take_due(now=trio.current_time(), volume=volume)
            if due is None:
                return
            subscriber, verdict = due
            if verdict is Verdict.CLOSE:
                subscriber.dismiss()
            elif verdict is Verdict.PING and not subscriber.ping():
                keepalive.not_asked(subscriber)
