"""Pages of the log for subscribers who are behind the tail.

A page is a run of frames as the tail has them, made by one read of the log. Those who select the
same and stand at the same place share one: the first reads, the others wait for it. Pages are kept
while anybody replays, in bounded memory, so that a subscriber need not hold on to a page while
its socket takes part of it; whoever comes back too late reads again.

While a page is sent, the next ones are read, if nobody waits for another: then a thread makes
frames and the event loop sends them at the same time.

Where a subscriber reads is decided in `commit_clones`, not here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import trio

from trio_stream.log_file import FILE_NAME, LogDamaged
from trio_stream.stream.frames import Frames
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Selection

# A way to a thread and back costs as much as 200 KiB of frames.
PAGE_BYTES = 1024 * 1024
# Rows looked at for a page: a read must end soon even where nothing matches.
PAGE_ROWS = 10_000
_PAGES_AHEAD = 2
ALL_PAGES_BYTES = 64 * 1024 * 1024

_Place = tuple[Selection, Position]


class FramePage(Protocol):
    """Joined frames; for each its end, and its position as a key; how far was looked."""

    @property
    def frames(self) -> bytes: ...

    @property
    def ends(self) -> Sequence[int]: ...

    @property
    def keys(self) -> Sequence[int]: ...

    @property
    def up_to(self) -> Position: ...


class Replay(Protocol):
    """What reads pages from the log."""

    async def frames(
        self,
        selection: Selection,
        after: Position,
        *,
        until: Position,
        max_bytes: int,
        max_rows: int,
    ) -> FramePage: ...


def log_fell_short(after: int, announced: int) -> LogDamaged:
    """What to raise when the log lacks what was committed."""
    cause = f"block {announced} was announced and nothing follows {after}"
    return LogDamaged("follow", Path(FILE_NAME), cause)


class ReplayPages:
    """Pages by what they select and the position that they follow."""

    def __init__(self, log: Replay, *, max_bytes: int = ALL_PAGES_BYTES) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._weight = 0
        self._pages: OrderedDict[_Place, Frames] = OrderedDict()
        self._reading: dict[_Place, trio.Event] = {}
        self._readers = 0
        self._expected: tuple[_Place, Position]
        self._expects = trio.Event()

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

    async def page(
        self, selection: Selection, after: Position, *, until: Position
    ) -> Frames:
        """The frames of a selection that follow `after`, none beyond `until`.

        It may end before that, also where an earlier reader wanted less. Always a
        checkpoint. Raises what the log raises. When cancelled, others who wait for the
        same page read it themselves.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        place = selection, after
        while place in self._reading:
            await self._reading[place].wait()
        page = self._pages.get(place)
        if page is None:
            page = await self._read(place, until)
        else:
            self._pages.move_to_end(place)
            await trio.lowlevel.cancel_shielded_checkpoint()
        following = selection, page.end
        if page.end < until:
            self._expected = following, until
            self._expects.set()
        return page

    async def read_ahead(self) -> None:
        """Read what somebody will want next, for ever. Raises what the log raises."""
        while True:
            await self._expects.wait()
            self._expects = trio.Event()
            (selection, after), until = self._expected
            for _ in range(_PAGES_AHEAD):
                wanted = self._readers and not (self._reading or self._expects.is_set())
                if not wanted or after >= until:
                    break
                place = selection, after
                page = self._pages.get(place) or await self._read(place, until)
                after = page.end

    async def _read(self, place: _Place, until: Position) -> Frames:
        done = self._reading[place] = trio.Event()
        try:
            found = await self._log.frames(
                *place, until=until, max_bytes=PAGE_BYTES, max_rows=PAGE_ROWS
            )
        finally:
            del self._reading[place]
            done.set()
        page = Frames(place[1], found.up_to, found.frames, found.ends, found.keys)
        self._keep(place, page)
        return page

    def _keep(self, place: _Place, page: Frames) -> None:
        if not self._readers:
            return
        self._pages[place] = page
        self._weight += page.weight
        while self._weight > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._weight -= oldest.weight
