from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.memory_log import MemoryLog
from trio_stream.channel.pages import (
    PAGE_BYTES,
    PAGE_ROWS,
    ReplayPages,
    log_fell_short,
)
from trio_stream.stream.frames import Frames, frame_events
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Form, Selection

START, END = Position.end_of(0), Position.end_of(99)
RICH = Selection(form=Form.POSITION)

Take = Callable[[Frames], bool]


class SlowLog(MemoryLog):
    """A log whose reads wait until a test lets them continue."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = trio.Event()
        self.gates: dict[Selection, trio.Event] = {}
        self.most_events = PAGE_ROWS

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        assert request[-2:] == (PAGE_BYTES, PAGE_ROWS)
        page = await super().frames(request._replace(max_rows=self.most_events))
        await self.gates.get(request.selection, self.gate).wait()
        return page


def log_with(*blocks: int) -> SlowLog:
    log = SlowLog()
    for events in blocks:
        log.commit(events)
    return log


async def test_a_page_is_the_frames_after_a_position() -> None:
    log = log_with(2, 1)
    log.gate.set()

    page = await ReplayPages(log).page(PLAIN, Position(1, 0), until=END)

    wanted = log.events[1:]
    assert page.data == frame_events(wanted, start=START, end=START).data
    assert (page.start, page.end) == (Position(1, 0), Position.end_of(2))


async def test_readers_at_the_same_place_share_a_page() -> None:
    log = log_with(2)
    pages = ReplayPages(log)
    pages.join()
    got = []
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            got.append(await pages.page(PLAIN, START, until=END))

        for _ in range(5):
            nursery.start_soon(read)
        await wait_all_tasks_blocked()
        log.gate.set()

    assert log.replays == [START]
    assert all(page is got[0] for page in got)


async def test_if_the_reading_task_is_cancelled_another_reads() -> None:
    log = log_with(2)
    pages = ReplayPages(log)
    pages.join()
    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()

        @nursery.start_soon
        async def read_first() -> None:
            with first:
                await pages.page(PLAIN, START, until=END)

        await wait_all_tasks_blocked()
        nursery.start_soon(partial(pages.page, PLAIN, START, until=END))
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        log.gate.set()

    assert log.replays == [START, START]


async def test_pages_together_have_a_bound() -> None:
    log = log_with(*[10] * 30)
    log.gate.set()
    pages = ReplayPages(log, max_bytes=20_000)
    pages.join()

    for height in range(20, 30):
        await pages.page(PLAIN, Position.end_of(height), until=END)
        assert pages.statistics().bytes <= 20_000

    await pages.page(PLAIN, Position.end_of(29), until=END)
    assert len(log.replays) == 10
    await pages.page(PLAIN, Position.end_of(20), until=END)
    assert len(log.replays) == 11


async def test_pages_are_kept_only_while_somebody_replays() -> None:
    log = log_with(10)
    log.gate.set()
    pages = ReplayPages(log)
    await pages.page(PLAIN, START, until=END)
    assert not pages.statistics().bytes

    pages.join()
    pages.join()
    await pages.page(PLAIN, START, until=END)
    pages.leave()
    assert pages.statistics().bytes
    pages.leave()

    assert not pages.statistics().bytes


async def test_an_error_of_the_log_reaches_everybody() -> None:
    log = log_with(1)

    async def fail(request: PageRequest[Selection]) -> Frames:
        await trio.lowlevel.checkpoint()
        raise OSError("disk")

    log.frames = fail  # type: ignore[method-assign]
    pages = ReplayPages(log)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            await pages.page(PLAIN, START, until=END)


async def test_each_selection_has_pages_of_its_own() -> None:
    log = log_with(2)
    log.gate.set()
    pages = ReplayPages(log)
    pages.join()

    plain = await pages.page(PLAIN, START, until=END)
    rich = await pages.page(RICH, START, until=END)

    assert len(plain.ends) == len(rich.ends) == 2
    assert len(plain.data) < len(rich.data)
    assert pages.statistics().bytes == plain.weight + rich.weight


async def test_a_page_does_not_go_beyond_its_end() -> None:
    log = log_with(2, 2)
    log.gate.set()

    page = await ReplayPages(log).page(PLAIN, START, until=Position.end_of(1))

    assert (len(page.ends), page.end) == (2, Position.end_of(1))


class ShortPages(MemoryLog):
    """A log whose pages hold two events."""

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        return await super().frames(request._replace(max_rows=2))


async def test_two_pages_are_read_while_one_is_sent() -> None:
    log = ShortPages()
    for _ in range(5):
        log.commit(2)
    pages, tip = ReplayPages(log), Position.end_of(5)
    page = [START, *(Position(height, 1) for height in range(1, 6))]

    async def reads_after(place: Position, until: Position) -> list[Position]:
        log.replays.clear()
        await pages.page(PLAIN, place, until=until)
        await wait_all_tasks_blocked()
        return log.replays

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        pages.join()
        assert await reads_after(page[0], page[1]) == [page[0]]
        assert await reads_after(page[1], tip) == [page[1], page[2], page[3]]
        assert await reads_after(page[2], tip) == [page[4]]
        pages.leave()
        # Nobody replays, so no page is expected to be wanted.
        assert await reads_after(page[1], tip) == [page[1]]
        nursery.cancel_scope.cancel()


class Turns(ShortPages):
    """Records how many pages were made in each go, none before all other tasks are blocked."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[int] = []

    async def frame_pages(self, request: PageRequest[Selection], *, take: Take) -> None:
        before = len(self.replays)
        await super().frame_pages(request, take=take)
        self.turns.append(len(self.replays) - before)

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        await wait_all_tasks_blocked()
        return await super().frames(request)


async def test_reading_goes_on_while_pages_are_used_but_not_for_ever() -> None:
    log = Turns()
    for _ in range(20):
        log.commit(2)
    pages, tip = ReplayPages(log), Position.end_of(20)
    pages.join()
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        place = START
        while place < tip:
            page = await pages.page(PLAIN, place, until=tip)
            place = page.end
            got += page.data
            for _ in range(3):  # it is sent
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

    assert got == frame_events(log.events, start=START, end=START).data
    assert len(log.replays) == len(set(log.replays)) == 20
    assert max(log.turns) == 8


async def test_reading_stops_when_somebody_waits_for_another_page() -> None:
    log = log_with(1, 1, 1, 1)
    log.gate.set()
    one = Position.end_of(1)
    pages, tip = ReplayPages(log), Position.end_of(4)
    pages.join()
    log.most_events = 1
    await pages.page(PLAIN, START, until=tip)
    log.gate = trio.Event()
    log.gates[RICH] = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        await wait_all_tasks_blocked()
        nursery.start_soon(partial(pages.page, RICH, START, until=one))
        await wait_all_tasks_blocked()
        log.gate.set()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert log.replays == [START, Position(1, 0), START]


class InThread(ShortPages):
    """Takes two pages in a thread, which waits before each."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event(), threading.Event()
        self.took = threading.Event()

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        page = await super().frames(request)
        # Longer than it takes the loop to learn what the thread has done so far.
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        return page

    async def frame_pages(self, request: PageRequest[Selection], *, take: Take) -> None:
        first = await self.frames(request)
        second = await self.frames(request.following(first))

        def read() -> None:
            for go, page in zip(self.go, (first, second), strict=True):
                assert go.wait(5)
                take(page)
                self.took.set()

        await trio.to_thread.run_sync(read)


async def test_a_page_that_is_read_twice_is_kept_once() -> None:
    log = InThread()
    for _ in range(4):
        log.commit(2)
    pages, tip = ReplayPages(log), Position.end_of(3)
    pages.join()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        kept = [await pages.page(PLAIN, START, until=tip)]
        await wait_all_tasks_blocked()
        log.go[0].set()
        # The loop stands still here, so that it does not know yet what the thread goes on with.
        assert log.took.wait(5)
        kept.append(await pages.page(PLAIN, Position(2, 1), until=tip))
        log.go[1].set()
        kept.append(await pages.page(PLAIN, Position(1, 1), until=tip))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert log.replays.count(Position(2, 1)) == 2
    assert pages.statistics().bytes == sum(page.weight for page in kept)


class Short(MemoryLog):
    """A log that ends before what was announced."""

    async def frames(self, request: PageRequest[Selection]) -> Frames:
        end = Position.end_of(self.height)
        return await super().frames(request._replace(until=end))


async def test_if_the_log_falls_short_reading_ahead_ends() -> None:
    log = Short()
    log.commit(1)
    pages, announced = ReplayPages(log), Position.end_of(2)
    pages.join()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        for _ in range(2):
            page = await pages.page(PLAIN, START, until=announced)
            assert page.end == Position.end_of(1)
            await wait_all_tasks_blocked()
            page = await pages.page(PLAIN, page.end, until=announced)
            assert page.end == page.start == Position.end_of(1)
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert log.replays[0] == START
    assert set(log.replays[1:]) == {Position.end_of(1)}


async def test_nothing_is_read_ahead_while_somebody_waits_for_a_page() -> None:
    log = log_with(1, 1, 1)
    pages, tip = ReplayPages(log), Position.end_of(3)
    pages.join()
    log.gate.set()
    await pages.page(PLAIN, START, until=Position.end_of(1))
    log.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.read_ahead)
        nursery.start_soon(partial(pages.page, RICH, START, until=tip))
        await wait_all_tasks_blocked()
        await pages.page(PLAIN, START, until=tip)
        await wait_all_tasks_blocked()
        assert log.replays == [START, START]
        log.gate.set()
        await pages.page(PLAIN, START, until=tip)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert log.replays[2:] == [Position.end_of(1)]


def test_the_error_for_a_log_that_fell_short_names_both_blocks() -> None:
    error = log_fell_short(3, 5)
    assert error.operation == "follow"
    assert error.cause == "block 5 was announced and nothing follows 3"
