"""The events of a stream, as an asynchronous iterator for one Trio task."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self, Unpack

import trio

from trio_stream.client.checkpoint import (
    Checkpoint,
    FileCheckpoint,
    Marks,
    open_checkpoint,
)
from trio_stream.client.connection import open_nursery
from trio_stream.client.messages import Event
from trio_stream.client.options import Options, RunSync, check_names, make_puller
from trio_stream.client.request import Texts
from trio_stream.client.session import HAND_OVER, Item, Puller

# For saving the last position after the caller raised an exception.
_LAST_SAVE_TIMEOUT: Final = 5.0


@asynccontextmanager
async def open_stream(urls: Texts, **options: Unpack[Options]) -> AsyncIterator[Events]:
    """The events of a stream, for the duration of a block. See `Options`.

    Asking for the next event marks the one before as processed, and so does leaving the block
    normally; leaving it by an exception does not. Raises ValueError for invalid options and
    TypeError for unknown ones. Iterating raises StreamError, and whatever `checkpoint` raises.
    """
    check_names(options)
    checkpoint = open_checkpoint(options.get("checkpoint"))
    keeper = _Keeper(checkpoint, options.get("run_sync", trio.to_thread.run_sync))
    marks = Marks(options.get("checkpoint_every", 1))
    puller = make_puller(urls, options, saved=await keeper.load())
    send, receive = trio.open_memory_channel[Item](HAND_OVER)
    events = Events(puller, receive, keeper, marks)
    async with open_nursery() as nursery:
        # No need to wait for its start: the channel connects them.
        nursery.start_soon(puller.run, send)  # noqa: ASYNC113
        try:
            yield events
            marks.settle()
        finally:
            with trio.CancelScope(shield=True) as patience:
                patience.deadline = trio.current_time() + _LAST_SAVE_TIMEOUT
                await events.save(idle=True)
            nursery.cancel_scope.cancel()


class Events:
    """The events of an open stream, to be iterated over by one task."""

    def __init__(
        self,
        puller: Puller,
        items: trio.MemoryReceiveChannel[Item],
        keeper: _Keeper,
        marks: Marks,
    ) -> None:
        self._puller = puller
        self._items = items
        self._keeper = keeper
        self._marks = marks
        self.position: str | None = None
        """How far the stream has been handed out; None before it has begun."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event; the one handed out before counts as processed from now on.

        If this is cancelled nothing is lost: the next call returns the event.
        """
        self._marks.settle()
        while True:
            await self.save(idle=not self._items.statistics().current_buffer_used)
            try:
                self.position, event, is_last = await self._items.receive()
            except trio.EndOfChannel:
                raise self._puller.error or StopAsyncIteration from None
            if event is not None:
                self._marks.hand_out(self.position if is_last else None)
                return event
            self._marks.skip_to(self.position)

    async def save(self, *, idle: bool) -> None:
        """Save the position of the processed events, if that is due."""
        position = self._marks.due(idle=idle)
        if position is not None:
            await self._keeper.save(position)
            self._marks.saved()


class _Keeper:
    """Loads and saves positions; files are written in a thread, so that other tasks go on."""

    def __init__(self, checkpoint: Checkpoint | None, run_sync: RunSync) -> None:
        self._checkpoint = checkpoint
        self._run_sync = run_sync

    async def load(self) -> str | None:
        if self._checkpoint is None:
            return None
        found = self._checkpoint.load()
        return found if found is None or isinstance(found, str) else await found

    async def save(self, position: str) -> None:
        if isinstance(self._checkpoint, FileCheckpoint):
            await self._run_sync(self._checkpoint.save, position)
        elif self._checkpoint is not None:
            # In this thread, because the caller's object may not be usable in another.
            saving = self._checkpoint.save(position)
            if inspect.isawaitable(saving):
                await saving
