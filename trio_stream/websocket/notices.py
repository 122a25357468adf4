"""Notices to WebSocket subscribers who asked for them.

Most are sent by the subscriber's own task, between two batches. A subscriber that waits at
the tip is asleep, however: a single task tells all of these their positions, as often as
checkpoints are due, and writes to their sockets in place as the channel's pass does.
`stream.notices` says which notice is due when.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import trio

from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.stream.frames import text_frame
from trio_stream.stream.notices import (
    CHECKPOINT_SECONDS,
    Notice,
    Telling,
    notice_text,
    subscribed_text,
)
from trio_stream.stream.resume import Beginning
from trio_stream.websocket.subscriber_stream import State, SubscriberStream

# The reminder lets other tasks run after this many.
_AT_ONCE = 200


class Teller:
    """Sends one subscriber its notices."""

    def __init__(
        self,
        channel: CommitChannel[Any],
        stream: SubscriberStream,
        clone: CommitReceiveChannel[Any],
        beginning: Beginning,
        nursery: trio.Nursery,
    ) -> None:
        self._channel = channel
        self._stream = stream
        self._clone = clone
        self._beginning = beginning
        self._nursery = nursery
        self._telling = Telling(beginning.after, now=trio.current_time())

    async def tell_subscribed(self) -> None:
        await self._stream.send_all(text_frame(subscribed_text(self._beginning)))

    async def tell_what_is_due(self) -> None:
        """Call this when the subscriber has been given everything up to the clone's position."""
        clone = self._clone
        clone.pass_nothing()
        notice = self._telling.due(
            clone.position,
            live=clone.live,
            at_tip=clone.at_tip,
            now=trio.current_time(),
        )
        if notice is not None:
            await self.tell(notice)

    async def tell(self, notice: Notice) -> None:
        """Send this notice with the clone's position."""
        position = self._clone.position
        text = await self._channel.position_text(position)
        await self._stream.send_all(self._frame(notice, text))
        self._telling.sent(position, now=trio.current_time())

    def sent_messages(self) -> None:
        """Record that messages were sent up to the clone's position."""
        self._telling.sent(self._clone.position, now=trio.current_time())

    def remind(self) -> None:
        """Tell a waiting subscriber its position, unless it knows. A plain function."""
        clone, position = self._clone, self._clone.position
        known = max(self._telling.told, clone.last_message)
        end = self._channel.end_text
        if not (clone.waiting and clone.at_tip and position > known) or end is None:
            return
        frame = self._frame(Notice.CHECKPOINT, end)
        if not self._stream.in_place:
            self._nursery.start_soon(self._stream.frame, frame)
        elif not self._stream.frame_nowait(frame):
            return
        self._telling.sent(position, now=trio.current_time())
        if self._stream.state is State.OWING:
            clone.owe()

    def _frame(self, notice: Notice, position: str) -> bytes:
        chain = self._beginning.landmarks.chain
        return text_frame(notice_text(notice, position=position, chain=chain))


class Reminder:
    """Reminds all waiting subscribers of their positions, at intervals."""

    def __init__(self) -> None:
        self._tellers: dict[Teller, None] = {}
        self._somebody = trio.Event()

    @contextmanager
    def present(self, teller: Teller) -> Iterator[None]:
        """Remind this one until the end of the block."""
        self._tellers[teller] = None
        self._somebody.set()
        try:
            yield
        finally:
            del self._tellers[teller]

    async def run(self) -> None:
        """Never returns."""
        while True:
            if not self._tellers:
                self._somebody = trio.Event()
                await self._somebody.wait()
            # Sleeping a whole interval is right here: one notice sums up what happened in it.
            await trio.sleep(CHECKPOINT_SECONDS)
            for number, teller in enumerate(list(self._tellers)):
                if teller in self._tellers:
                    teller.remind()
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
