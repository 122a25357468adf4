"""Pages of the log for subscribers that are behind the tail.

A page is a run of frames like those of the tail, made by one read of the log. Subscribers with the
same selection at the same position share it: the first one reads, the others wait. Pages are kept
while anybody replays, in bounded memory, so that a subscriber need not hold on to a page while
its socket takes part of it; if it returns after the page is gone, it reads again.

While a page is sent, the next ones are read, unless somebody waits for another: a thread makes
frames while the event loop sends. The thread itself decides after each page whether to continue. If
it asked the loop, it would have to wait for it, and the loop may be in the middle of a write.

`channel.clones` decides where a subscriber reads, not this module.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol

import trio

from trio_stream.log.errors import LogDamaged
from trio_stream.log.file import FILE_NAME
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest, S
from trio_stream.stream.position import Position

# A trip to a thread and back costs as much as 200 KiB of frames.
PAGE_BYTES = 1024 * 1024
# Rows examined for a page: a read must end soon even if nothing matches.
PAGE_ROWS = 10_000
_PAGES_AHEAD = 2
# Pages that a thread reads in one go: a checkpoint may have to wait for that many.
_PAGES_A_TURN = 8
ALL_PAGES_BYTES = 64 * 1024 * 1024

_Place = tuple[S, Position]


class Replay(Protocol[S]):
    """What this module needs of the log."""

    async def frames(self, request: PageRequest[S]) -> Frames: ...

    async def frame_pages(
        self, request: PageRequest[S], *, take: Callable[[Frames], bool]
    ) -> None: ...


def log_fell_short(after: int, announced: int) -> LogDamaged:
    """The error to raise when the log lacks what was committed."""
    cause = f"block {announced} was announced and nothing follows {after}"
    return LogDamaged("follow", Path(FILE_NAME), cause)


class PagesStatistics(NamedTuple):
    readers: int
    """Subscribers that replay."""
    pages: int
    bytes: int
    """Roughly how many bytes of memory the pages take."""
    reads: int
    """Reads in progress, those ahead included."""


class ReplayPages(Generic[S]):
    """Pages by selection and by the position that they follow."""

    def __init__(self, log: Replay[S], *, max_bytes: int = ALL_PAGES_BYTES) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._weight = 0
        self._pages: OrderedDict[_Place[S], Frames] = OrderedDict()
        self.under_way: dict[_Place[S], trio.Event] = {}
        """Reads in progress, which others may wait for."""
        self._readers = 0
        self._expected: tuple[_Place[S], Position]
        self._expects = trio.Event()

    def statistics(self) -> PagesStatistics:
        return PagesStatistics(
            self._readers, len(self._pages), self._weight, len(self.under_way)
        )

    def join(self) -> None:
        """Count a subscriber that begins to replay."""
        self._readers += 1

    def leave(self) -> None:
        """Count out a subscriber that has caught up or gone; the last one frees all pages."""
        self._readers -= 1
        if not self._readers:
            self._pages.clear()
            self._weight = 0

    async def page(self, selection: S, after: Position, *, until: Position) -> Frames:
        """The frames of a selection that follow `after`, none beyond `until`.

        It may end earlier, for instance because an earlier reader wanted less. Always a
        checkpoint. Raises what the log raises. If this is cancelled, the others that wait for
        the same page read it themselves.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        place = selection, after
        while place in self.under_way:
            await self.under_way[place].wait()
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
        """Read what will be wanted next, for ever. Raises what the log raises."""
        while True:
            await self._expects.wait()
            self._expects = trio.Event()
            place, until = self._expected
            ahead = deque([place], _PAGES_AHEAD)
            while self.wanted(ahead, until) and (page := self._pages.get(ahead[-1])):
                ahead.append((place[0], page.end))
            if self.wanted(ahead, until) and not self.under_way:
                await _Turn(self, ahead, until).run(self._log)

    def wanted(self, ahead: Sequence[_Place[S]], until: Position) -> bool:
        """Is a page wanted at the last of these places?

        It is if somebody is expected to continue at one of them: no more are passed than
        there may be pages ready.
        """
        near = self._expected[0] in ahead and ahead[-1][1] < until
        return near and self._readers > 0

    async def _read(self, place: _Place[S], until: Position) -> Frames:
        done = self.under_way[place] = trio.Event()
        try:
            page = await self._log.frames(_request(place, until))
        finally:
            del self.under_way[place]
            done.set()
        self.keep(place, page)
        return page

    def keep(self, place: _Place[S], page: Frames) -> None:
        # If the log lacks what was announced, a page leads nowhere: nobody can continue from it.
        if not self._readers or place in self._pages or page.end <= place[1]:
            return
        self._pages[place] = page
        self._weight += page.weight
        while self._weight > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._weight -= oldest.weight


class _Turn(Generic[S]):
    """What a thread reads in one go: page after page, starting at the last of some places."""

    def __init__(
        self, pages: ReplayPages[S], ahead: deque[_Place[S]], until: Position
    ) -> None:
        self._pages = pages
        self._ahead = ahead
        self._until = until
        self._left = _PAGES_A_TURN
        self._token = trio.lowlevel.current_trio_token()
        self._reading: tuple[_Place[S], trio.Event] | None = None

    async def run(self, log: Replay[S]) -> None:
        """Read as long as more is wanted and nobody waits for another page."""
        place = self._ahead[-1]
        self._begin(place)
        try:
            await log.frame_pages(_request(place, self._until), take=self._take)
        finally:
            # Everything taken has arrived: the loop learns of a thread's end after that.
            self._end()

    def _take(self, page: Frames) -> bool:
        # In the thread: the loop's state may be slightly out of date, which does no harm.
        place = self._ahead[-1]
        following = place[0], page.end
        self._ahead.append(following)
        self._left -= 1
        goes_on = (
            self._left > 0
            and place[1] < page.end
            and len(self._pages.under_way) < 2
            and self._pages.wanted(self._ahead, self._until)
        )
        self._token.run_sync_soon(
            self._arrive, place, page, following if goes_on else None
        )
        return goes_on

    def _arrive(
        self, place: _Place[S], page: Frames, following: _Place[S] | None
    ) -> None:
        self._end()
        self._pages.keep(place, page)
        if following is not None:
            self._begin(following)

    def _begin(self, place: _Place[S]) -> None:
        # Somebody else may have begun at the same place meanwhile, and ends that read itself.
        if place not in self._pages.under_way:
            self._reading = place, trio.Event()
            self._pages.under_way.update([self._reading])

    def _end(self) -> None:
        if self._reading is not None:
            place, done = self._reading
            self._reading = None
            del self._pages.under_way[place]
            done.set()


def _request(place: _Place[S], until: Position) -> PageRequest[S]:
    return PageRequest(*place, until, PAGE_BYTES, PAGE_ROWS)
