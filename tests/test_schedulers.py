"""What all who queue, share or count here must hold: whoever comes, is cancelled or fails, and in
whichever step, everybody else is served, and at rest as much is free as there was at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import outcome
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fake_application import FakeApplication
from tests.memory_log import MemoryLog
from tests.storm import LIVES, Life, run, steps, storm
from tests.stub_rpc import StubRpc
from tests.websocket_peer import PATH, request
from trio_stream.abci import messages as m
from trio_stream.abci.routine import Hop, Priority
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.channel.pages import ReplayPages
from trio_stream.channel.turns import Turns, TurnsStatistics
from trio_stream.engine.rpc import RpcConnections
from trio_stream.engine.state_machine import StateMachine
from trio_stream.gathering import Gathering
from trio_stream.log.reader import LOOKUP_THREADS, LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.net.room import Room
from trio_stream.stream.admission import Admission
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Form, Selection
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.websocket.gate import Gate

START = Position.end_of(0)

STEPS = st.integers(0, 4)
Lives = Sequence[Life]


@given(
    lives=LIVES,
    turns=st.integers(1, 3),
    limit=st.integers(1, 4),
    lasts=st.lists(STEPS, min_size=1),
    fails=st.sets(st.integers(0, 6)),
)
def test_turns_to_ask_come_back(
    lives: Lives, turns: int, limit: int, lasts: list[int], fails: set[int]
) -> None:
    under_way = calls = 0

    async def ask_all(items: Sequence[int]) -> list[outcome.Outcome[int]]:
        nonlocal under_way, calls
        under_way += 1
        number, calls = calls, calls + 1
        try:
            assert under_way <= turns and 0 < len(items) <= limit
            await steps(lasts[number % len(lasts)])
            if number in fails:
                raise LookupError
        finally:
            under_way -= 1
        return [outcome.Value(item) for item in items]

    gathering = Gathering(ask_all, turns=turns, limit=limit)

    async def ask(number: int) -> None:
        try:
            assert await gathering.ask(number) == number
        except LookupError:
            assert fails

    run(partial(storm, ask, lives))
    assert gathering.statistics() == (turns, 0)


@settings(max_examples=25)
@given(lives=LIVES, pauses=LIVES, lasts=STEPS)
def test_threads_of_the_log_come_back(lives: Lives, pauses: Lives, lasts: int) -> None:
    async def run_sync(
        work: Callable[[], object], *, limiter: trio.CapacityLimiter
    ) -> object:
        async with limiter:
            with trio.CancelScope(shield=True):  # as a thread does
                await steps(lasts)
            return work()

    async def main() -> None:
        with TemporaryDirectory() as home, CommitLog.open(Path(home)) as log:
            reader = LogReader(log.path, CandidateCache(1 << 20), run_sync=run_sync)
            at_rest = reader.statistics()
            assert at_rest.lookups.threads_free == LOOKUP_THREADS

            async def work(number: int) -> None:
                if number % 2:
                    assert await reader.heights_with("quick") == []
                else:
                    assert (await reader.landmarks(None)).tip == 0

            async def pause(number: int) -> None:
                async with reader.paused():
                    await steps(number)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(storm, work, lives)
                nursery.start_soon(storm, pause, pauses)
            assert reader.statistics() == at_rest
            await reader.aclose()

    run(main)


@given(lives=LIVES, holds=LIVES, given_for=st.none() | st.integers(0, 12))
def test_everybody_has_a_turn(
    lives: Lives, holds: Lives, given_for: int | None
) -> None:
    turns = Turns()

    async def hold(number: int) -> None:
        with turns.held():
            await trio.sleep(number / 100)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as giver:
                    giver.start_soon(turns.give)
                    nursery.start_soon(storm, lambda _: turns.turn(), lives)
                    nursery.start_soon(storm, hold, holds)
                    if given_for is not None:
                        await steps(given_for)
                        scope.cancel()
                    await trio.sleep(10)
                    scope.cancel()
        assert turns.statistics() == TurnsStatistics(waiting=0, held=0, free=True)

    run(main)


@given(lives=LIVES, moves=st.lists(st.integers(0, 5), min_size=1))
def test_pages_are_let_go(lives: Lives, moves: list[int]) -> None:
    log = MemoryLog()
    for events in (1, 3, 0, 2):
        log.commit(events)
    pages = ReplayPages(log, max_bytes=2_000)
    end = Position.end_of(log.height)

    async def replay(number: int) -> None:
        selection = Selection(form=Form.POSITION) if number % 3 else PLAIN
        pages.join()
        try:
            position = START
            while position < end:
                position = (await pages.page(selection, position, until=end)).end
                await steps(moves[number % len(moves)])
        finally:
            pages.leave()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pages.read_ahead)
            await storm(replay, lives)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert not any(pages.statistics())

    run(main)


@given(lives=LIVES, lasts=STEPS)
def test_the_state_machine_is_let_go(lives: Lives, lasts: int) -> None:
    async def run_sync(
        work: Callable[[], object], *, limiter: trio.CapacityLimiter
    ) -> None:
        async with limiter:
            with trio.CancelScope(shield=True):
                await steps(lasts)
            work()

    application = FakeApplication()
    machine = StateMachine(application, on_commit=lambda _: None, run_sync=run_sync)
    hops = [
        Hop(Priority.MEMPOOL, [m.CheckTx(b"")]),
        Hop(Priority.QUERY, [m.Info("", "")]),
        Hop(Priority.CONSENSUS, [m.Commit()]),
    ]

    async def ask(number: int) -> None:
        application.quick = number % 4 == 3
        try:
            assert len(await machine.answer(hops[number % 3], owner=number)) == 1
        finally:
            machine.disown(number)

    run(partial(storm, ask, lives))
    assert machine.statistics() == (False, 0, 0, application.height)


@given(lives=LIVES, counts=st.lists(st.integers(1, 700), min_size=1), lasts=STEPS)
def test_room_is_given_back(lives: Lives, counts: list[int], lasts: int) -> None:
    room = Room(1_000, lambda _: trio.current_time() + 1)

    async def hold(number: int) -> None:
        count = counts[number % len(counts)]
        if await room.take(count, small=count < 100):
            assert room.taken <= 1_000
            try:
                await steps(lasts)
            finally:
                room.give_back(count)

    run(partial(storm, hold, lives))
    assert room.taken == room.waiting == 0


@given(lives=LIVES, total=st.integers(1, 4), lasts=STEPS)
def test_places_of_subscribers_come_back(lives: Lives, total: int, lasts: int) -> None:
    admission = Admission(total=total, per_address=total)
    gate = Gate(
        CommitChannel(CommittedBlocks(MemoryLog())), admission, head_limit=16_384
    )
    queries = ["", "?after=nonsense", "?after=nonsense&notices=1", "?after=earliest"]

    async def visit(number: int) -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(request(target=PATH + queries[number % len(queries)]))
        client = await gate.let_in(ours, "127.0.0.1")
        if client is not None:
            assert admission.present <= total
            try:
                await steps(lasts)
            finally:
                gate.leave(client)

    run(partial(storm, visit, lives))
    assert not admission.present and not admission.addresses


@pytest.mark.parametrize("seed", range(10))
async def test_connections_to_the_node_come_back(seed: int) -> None:
    lives = [
        Life((seed + n) % 3, (seed * n) % 23 if n % 2 else None) for n in range(12)
    ]
    async with StubRpc().serving() as rpc:
        connections = RpcConnections(rpc.url, max_connections=3, timeout=30)
        await storm(lambda _: connections.post(b'{"id": "1"}'), lives)

        busy, idle = connections.statistics()
        assert busy == 0 and 0 < idle <= 3
        await connections.aclose()
