"""A clone of the commit channel: one subscriber's reader, with a position of its own.

Each clone gets every event after its start that it selects. (Clones of a plain memory
channel compete for the items.) Its position alone decides where its next frames come from:
the tail, the log, or nowhere yet. Deciding that and starting to wait is one step without
`await`, so nothing can come between. The tail holds one selection only, the shared one; readers of
any other are given new frames while they wait (`channel.waiters`), and otherwise read
the log, whose pages they share.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Generic, Self

import trio

from trio_stream.channel.groups import SendNowait
from trio_stream.channel.pages import log_fell_short
from trio_stream.channel.waiters import Clones
from trio_stream.stream.frames import Batch, Frames
from trio_stream.stream.page_request import BelowOldest, S
from trio_stream.stream.position import Position
from trio_stream.stream.subscription import Source


class CommitReceiveChannel(trio.abc.ReceiveChannel[Batch], Generic[S]):
    """One subscriber's reader: batches of frames, in order, without gap or repeat."""

    __slots__ = (
        "__weakref__",
        "_clones",
        "_closed",
        "_group",
        "_handed",
        "_owing",
        "_page",
        "_position",
        "_replaying",
        "_task",
        "send_nowait",
        "until",
    )

    def __init__(
        self,
        clones: Clones[S],
        after: Position,
        send_nowait: SendNowait | None = None,
        *,
        selection: S | None = None,
        until: Position | None = None,
    ) -> None:
        # Frames that are sent in place might go beyond `until`.
        self.send_nowait = send_nowait if until is None else None
        self.until = until
        self._clones = clones
        self._group = clones.join(selection)
        clones.readers.add(self)
        self._position = after
        self._task: trio.lowlevel.Task | None = None
        self._owing = False
        self._closed = False
        # New frames for a clone that was woken; the page that it has not used up.
        self._handed: Frames | None = None
        self._page: weakref.ref[Frames] | None = None
        self._replaying = False

    @property
    def position(self) -> Position:
        """Everything up to here has been given out by `receive` or sent in place."""
        end = self._clones.tail.end
        return self._group.position_of(self, end) or self._position

    @property
    def waiting(self) -> bool:
        """Is it asleep at the tail's end, having been given everything?"""
        return self._task is not None

    @property
    def behind(self) -> bool:
        """Will `receive` have to read the log?"""
        tail = self._clones.tail
        return self._position < (tail.start if self._group.is_shared else tail.end)

    @property
    def finished(self) -> bool:
        """Has it reached the end that was asked for?"""
        return self.until is not None and self.position >= self.until

    @property
    def live(self) -> bool:
        """Is it within reach of the tail?"""
        return self.position >= self._clones.tail.start

    @property
    def at_tip(self) -> bool:
        """Has it been given everything?"""
        return self.position >= self._clones.tail.end

    @property
    def last_message(self) -> Position:
        """The end of the last run that had messages for its selection."""
        return self._group.last

    def pass_nothing(self) -> None:
        """Move past what has no messages for it, if that is known without reading the log."""
        tail = self._clones.tail
        if not self.behind and self._position < tail.end:
            if self._source() is Source.TIP:
                self._position = tail.end

    def sent(self, count: int) -> None:
        """Count bytes that its owner has sent."""
        self._clones.sent_by_tasks += count

    def seek(self, position: Position) -> None:
        """Continue from `position`; for a caller that could not use a whole batch."""
        self._position = position

    def clone(self) -> CommitReceiveChannel[S]:
        """Another reader at the same position. It is not served in place."""
        selection, until = self._group.selection, self.until
        return CommitReceiveChannel(
            self._clones, self.position, selection=selection, until=until
        )

    def _source(self) -> Source | Batch:
        """Where the next frames are."""
        tail, position = self._clones.tail, self._position
        if self._group.is_shared:
            return tail.next_read(position)
        if position < tail.end:
            return Source.LOG if self._handed is None else Batch(self._handed)
        return Source.TIP if position == tail.end else Source.AHEAD

    async def receive(self) -> Batch:
        """The next frames, as many as are at hand; waits if there are none.

        The position then lies after them. An empty batch gives the caller a chance to act:
        part of a frame sent in place is still owed, or a page of the log had no messages.
        Raises `trio.EndOfChannel` at the end that was asked for. It also does so after the
        channel has ended: once the tail is used up, or at once to a reader farther behind.
        Raises `ResumeRefused` if the log has dropped what comes next.
        Nothing is lost if this is cancelled.
        """
        if self._task is not None:
            raise trio.BusyResourceError("another task receives from this clone")
        clones = self._clones
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            if self._owing:
                self._owing = False
                return Batch(Frames(self._position, self._position))
            if self.until is not None:
                # After the last transaction of its last block it is at its end as well.
                self.pass_nothing()
            if self.finished:
                raise trio.EndOfChannel
            source = self._source()
            self._handed = None
            if isinstance(source, Batch):
                self._replay_ends()
                return self._give(source)
            # After the channel has ended it may still read the log if little is missing.
            if clones.ended and not (source is Source.LOG and self.live):
                raise trio.EndOfChannel
            if source is Source.LOG:
                return self._give(await self._replay())
            self._replay_ends()
            await self._wait(ahead=source is Source.AHEAD)

    async def reached(self) -> None:
        """Wait until the tail has caught up with this clone. Raises like `receive`."""
        while self._position > self._clones.tail.end:
            if self._closed:
                raise trio.ClosedResourceError
            if self._clones.ended:
                raise trio.EndOfChannel
            await self._wait(ahead=True)
        await trio.lowlevel.checkpoint()

    def _give(self, batch: Batch) -> Batch:
        if self.until is not None and self.until < batch.frames.end:
            frames = batch.frames.until(self.until)
            batch = Batch(frames, min(batch.offset, len(frames.data)))
        self._position = batch.frames.end
        return batch

    async def _replay(self) -> Batch:
        clones, position = self._clones, self._position
        if not self._replaying:
            self._replaying = True
            clones.pages.join()
        page = self._page() if self._page is not None else None
        if page is None or not page.start <= position < page.end:
            page = await self._read_page()
            if page.end <= position:
                raise log_fell_short(position.height, clones.tail.end.height)
            self._page = weakref.ref(page)
        await clones.turns.turn()
        return Batch(page, page.offset_after(position))

    async def _read_page(self) -> Frames:
        clones, position = self._clones, self._position
        with suppress(BelowOldest):
            return await clones.pages.page(
                self._group.selection, position, until=clones.tail.end
            )
        raise await clones.refusal_below_oldest(position)

    def _replay_ends(self) -> None:
        if self._replaying:
            self._replaying = False
            self._page = None
            self._clones.pages.leave()

    async def _wait(self, *, ahead: bool) -> None:
        def abort(_: object) -> trio.lowlevel.Abort:
            self._stop_waiting()
            return trio.lowlevel.Abort.SUCCEEDED

        self._task = trio.lowlevel.current_task()
        self._clones.wait(self, self._group, ahead=ahead)
        await trio.lowlevel.wait_task_rescheduled(abort)

    def _stop_waiting(self) -> None:
        self._position = self.position
        self._task = None
        self._clones.stop_waiting(self, self._group)

    def wake(self) -> None:
        """Make `receive` look again."""
        task = self._task
        if task is not None:
            self._stop_waiting()
            trio.lowlevel.reschedule(task)

    def owe(self) -> None:
        """Part of another frame is still unsent while it waits: wake its task to send the rest."""
        if self._task is not None:
            self._owing = True
            self.wake()

    def fall_behind(self, frames: Frames, taken: int, *, owing: bool) -> None:
        """Leave the waiters during a pass, with so many bytes of the frames taken."""
        if self._task is not None:  # else its own send closed it, which woke it
            self._position = frames.position_at(taken)
            self._owing = owing
            if not owing:
                self._handed = frames  # briefly: its task runs next
            self.wake()

    def close(self) -> None:
        """Close at once; a plain function. `receive` then raises `ClosedResourceError`."""
        self.send_nowait = None
        self._handed = None
        self._replay_ends()
        self.wake()
        if not self._closed:
            self._closed = True
            self._clones.leave(self._group)
            self._clones.readers.discard(self)

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
