"""Pages of the log for subscribers who are behind the tail.

A page is a run of frames as the tail has them, made of what one read of the log gave. Those who
stand at the same place share one: the first reads, the others wait for it. Pages are kept while
anybody replays, in bounded memory, so that a subscriber need not hold on to a page while its
socket takes part of it; whoever comes back too late reads again.

Where a subscriber reads is decided in `stream.subscription`, not here.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import trio

from trio_stream.log_file import FILE_NAME, LogDamaged
from trio_stream.stream.events import Page
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.position import Position

PAGE_BYTES = 256 * 1024
# Rows looked at for a page: a read must end soon even where nothing matches, and framing one
# page, about 2 us a row, must not hold up the event loop.
PAGE_ROWS = 2_000
ALL_PAGES_BYTES = 64 * 1024 * 1024


class Replay(Protocol):
    """What reads pages from the log."""

    async def replay(
        self, after: Position, *, max_bytes: int, max_rows: int
    ) -> Page: ...


def log_fell_short(after: int, announced: int) -> LogDamaged:
    """What to raise when the log lacks what was committed."""
    cause = f"block {announced} was announced and nothing follows {after}"
    return LogDamaged("follow", Path(FILE_NAME), cause)


class ReplayPages:
    """Pages by the position that they follow."""

    def __init__(self, log: Replay, *, max_bytes: int = ALL_PAGES_BYTES) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._weight = 0
        self._pages: OrderedDict[Position, Frames] = OrderedDict()
        self._reading: dict[Position, trio.Event] = {}
        self._readers = 0

    @property
    def weight(self) -> int:
        """About how many bytes of memory the pages take."""
        return self._weight

    def join(self) -> None:
        """Somebody begins to replay."""
        self._readers += 1

    def leave(self) -> None:
        """Somebody has caught up or gone; the last one frees all pages."""
        self._readers -= 1
        if not self._readers:
            self._pages.clear()
            self._weight = 0

    async def page(self, after: Position) -> Frames:
        """The frames that follow `after`. Always a checkpoint.

        Raises what the log raises. When cancelled, others who wait for the
        same page read it themselves.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while after in self._reading:
            await self._reading[after].wait()
        page = self._pages.get(after)
        if page is not None:
            self._pages.move_to_end(after)
            await trio.lowlevel.cancel_shielded_checkpoint()
            return page
        done = self._reading[after] = trio.Event()
        try:
            found = await self._log.replay(
                after, max_bytes=PAGE_BYTES, max_rows=PAGE_ROWS
            )
        finally:
            del self._reading[after]
            done.set()
        page = frame_events(found.events, start=after, end=found.up_to)
        self._keep(page)
        return page

    def _keep(self, page: Frames) -> None:
        if not self._readers:
            return
        self._pages[page.start] = page
        self._weight += page.weight
        while self._weight > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._weight -= oldest.weight
