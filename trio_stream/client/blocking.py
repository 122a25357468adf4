"""The stream for programs without Trio: a plain iterator.

    with iterate("ws://localhost:9985", after="earliest", until="tip") as events:
        for event in events:
            print(event["transaction_id"])

Trio runs in a thread of its own, which answers the server while the caller works, and reads ahead
up to a limit. Positions are loaded and saved in the caller's thread, since a database connection
may be bound to it. Ctrl-C interrupts the wait for an event without losing it: the next call
returns it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Self, Unpack

import trio

from trio_stream.client.checkpoint import Checkpoint, Marks, open_checkpoint
from trio_stream.client.messages import Event
from trio_stream.client.options import Options, check_names, make_puller
from trio_stream.client.request import Texts
from trio_stream.client.session import HAND_OVER, Item, Puller


@contextmanager
def iterate(urls: Texts, **options: Unpack[Options]) -> Iterator[BlockingEvents]:
    """The events of a stream, for the duration of a block; as `client.open_stream`."""
    check_names(options)
    checkpoint = open_checkpoint(options.get("checkpoint"))
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is not None and not isinstance(saved, str):
        raise TypeError("an asynchronous checkpoint can only be used with open_stream")
    marks = Marks(options.get("checkpoint_every", 1))
    background = _Background(make_puller(urls, options, saved=saved))
    events = BlockingEvents(background, checkpoint, marks)
    background.start()
    try:
        yield events
        marks.settle()
    finally:
        try:
            events.save(idle=True)
        finally:
            background.stop()


class BlockingEvents:
    """The events of an open stream, to be iterated over by one thread."""

    def __init__(
        self, background: _Background, checkpoint: Checkpoint | None, marks: Marks
    ) -> None:
        self._background = background
        self._checkpoint = checkpoint
        self._marks = marks
        self.position: str | None = None
        """How far the stream has been handed out; None before it has begun."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        """The next event; the one handed out before counts as processed from now on."""
        self._marks.settle()
        ready = self._background.ready
        while True:
            self.save(idle=not ready)
            if not ready and not self._background.fetch():
                raise self._background.error or StopIteration
            self.position, event, is_last = ready.popleft()
            if event is not None:
                self._marks.hand_out(self.position if is_last else None)
                return event
            self._marks.skip_to(self.position)

    def save(self, *, idle: bool) -> None:
        """Save the position of the processed events, if that is due."""
        position = self._marks.due(idle=idle)
        if position is not None:
            if self._checkpoint is not None:
                self._checkpoint.save(position)
            self._marks.saved()


class _Background:
    """The thread in which Trio runs."""

    def __init__(self, puller: Puller) -> None:
        self.ready: deque[Item] = deque()  # at most HAND_OVER
        self._puller = puller
        self._crash: Exception | None = None
        self._send, self._items = trio.open_memory_channel[Item](HAND_OVER)
        self._one_at_a_time = trio.Lock()
        self._scope = trio.CancelScope()
        self._token: Future[trio.lowlevel.TrioToken] = Future()
        # A daemon thread: the interpreter can exit even if the block is never left.
        self._thread = threading.Thread(
            target=self._run, name="trio_stream", daemon=True
        )

    @property
    def error(self) -> Exception | None:
        """Why the stream ended; None if it reached the requested end."""
        return self._crash or self._puller.error

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait until it has ended."""
        token = self._token.result()
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def fetch(self) -> bool:
        """Wait until something is ready; False if nothing more will be."""
        token = self._token.result()
        return trio.from_thread.run(self._fetch, trio_token=token)

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except Exception as error:
            # Trio could not start. Once the token is set this raises, with both errors.
            self._token.set_exception(error)

    async def _main(self) -> None:
        self._token.set_result(trio.lowlevel.current_trio_token())
        with self._scope:
            try:
                await self._puller.run(self._send)
            except Exception as error:
                self._crash = error  # raised where the caller waits
            await trio.sleep_forever()

    async def _fetch(self) -> bool:
        # A call that was interrupted goes on waiting here, and the next one queues behind it.
        async with self._one_at_a_time:
            if self.ready:
                return True
            try:
                self.ready.append(await self._items.receive())
                while len(self.ready) < HAND_OVER:
                    self.ready.append(self._items.receive_nowait())
            except (trio.EndOfChannel, trio.WouldBlock):
                pass
            return bool(self.ready)
