"""The state machine's thread: whose turn it is, and what is announced."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
import trio.testing

from tests.fake_application import FakeApplication, run_inline
from trio_stream.abci import messages as m
from trio_stream.abci import snapshot_messages as s
from trio_stream.abci.routine import Hop, Priority
from trio_stream.engine.state_machine import RunSync, StateMachine

CHECK = Hop(Priority.MEMPOOL, [m.CheckTx(b"")])
INFO = Hop(Priority.QUERY, [m.Info("", "")])
COMMIT = Hop(Priority.CONSENSUS, [m.Commit()])


def nothing(height: int) -> None:
    pass


def behind(gate: trio.Event) -> RunSync:
    """Runs what it is given in place, once the gate is open."""

    async def gated(sync_fn: Callable[[], None], **options: object) -> None:
        await gate.wait()
        sync_fn()

    return gated


async def test_a_hop_is_answered_in_order_routine_requests_included() -> None:
    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=run_inline)
    requests: list[m.Request] = [
        m.CheckTx(b"a"),
        m.Flush(),
        m.CheckTx(b"bad"),
    ]

    answers = await machine.answer(Hop(Priority.MEMPOOL, requests), owner=1)

    assert answers == [m.TxResult(0), m.Done(), m.TxResult(1, "bad")]


async def test_routine_requests_need_no_thread() -> None:
    def no_thread(*args: object, **options: object) -> Awaitable[object]:
        raise AssertionError("a thread was asked for")

    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=no_thread)

    answers = await machine.answer(Hop(None, [m.Echo("x"), m.Flush()]), owner=1)

    assert answers == [m.EchoAnswer("x"), m.Done()]


async def test_quick_checks_need_no_thread_and_have_their_turn() -> None:
    gate = trio.Event()
    application = FakeApplication()
    application.quick = True
    machine = StateMachine(application, on_commit=nothing, run_sync=behind(gate))

    assert await machine.answer(CHECK, owner=1) == [m.TxResult(0)]
    async with trio.open_nursery() as nursery:
        # Only checks are quick; this one has the thread.
        nursery.start_soon(lambda: machine.answer(COMMIT, owner=2))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(lambda: machine.answer(CHECK, owner=3))
        await trio.testing.wait_all_tasks_blocked()
        assert [owner for _, owner in application.asked] == [1]
        gate.set()
    assert [owner for _, owner in application.asked] == [1, 2, 3]


async def test_a_failure_is_the_last_answer() -> None:
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=run_inline)
    wrong = m.FinalizeBlock((), 9, m.Time(0, 0))

    answers = await machine.answer(
        Hop(Priority.CONSENSUS, [wrong, m.Commit()]), owner=1
    )

    assert answers == [m.Failure("block 9 does not follow 0")]
    assert application.height == 0


async def test_consensus_goes_before_mempool_and_query_waits_for_nobody() -> None:
    gate = trio.Event()
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=behind(gate))

    async def ask(hop: Hop, owner: int) -> None:
        await machine.answer(hop, owner=owner)

    async with trio.open_nursery() as nursery:
        for owner, hop in enumerate([CHECK, INFO, CHECK, COMMIT, INFO, COMMIT]):
            nursery.start_soon(ask, hop, owner)
            await trio.testing.wait_all_tasks_blocked()
        gate.set()

    assert [owner for _, owner in application.asked] == [1, 4, 0, 3, 5, 2]


async def test_a_task_cancelled_while_waiting_loses_only_its_own_turn() -> None:
    gate = trio.Event()
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=behind(gate))

    async def ask(owner: int, scope: trio.CancelScope) -> None:
        with scope:
            await machine.answer(CHECK, owner=owner)

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for owner, scope in enumerate(scopes):
            nursery.start_soon(ask, owner, scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        gate.set()

    assert [owner for _, owner in application.asked] == [0, 2]


async def test_commit_is_announced_even_if_cancelled() -> None:
    entered = trio.Event()
    release = threading.Event()
    token = trio.lowlevel.current_trio_token()

    def hold(request: m.Request) -> None:
        token.run_sync_soon(entered.set)
        assert release.wait(10)

    application = FakeApplication(hold)
    announced: list[int] = []
    machine = StateMachine(
        application, on_commit=announced.append, run_sync=trio.to_thread.run_sync
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: machine.answer(COMMIT, owner=1))
        await entered.wait()
        nursery.cancel_scope.cancel()
        release.set()

    assert application.height == 1
    assert announced == [1]


async def test_nothing_is_announced_if_cancelled_before_the_thread() -> None:
    application = FakeApplication()
    announced: list[int] = []
    machine = StateMachine(
        application, on_commit=announced.append, run_sync=trio.to_thread.run_sync
    )
    with trio.CancelScope() as scope:
        scope.cancel()
        await machine.answer(COMMIT, owner=1)

    assert scope.cancelled_caught
    assert (application.height, announced) == (0, [])
    await machine.answer(COMMIT, owner=1)
    assert announced == [1]


async def test_a_commit_before_a_crash_is_announced_and_nobody_gets_in_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Broken(Exception):
        pass

    class Application(FakeApplication):
        def answer(self, request: m.Request, *, owner: int) -> m.Answer:
            answer = super().answer(request, owner=owner)
            if isinstance(request, m.Commit):
                raise Broken
            return answer

    application = Application()
    announced: list[int] = []
    machine = StateMachine(application, on_commit=announced.append, run_sync=run_inline)

    with pytest.raises(Broken):
        await machine.answer(COMMIT, owner=1)

    assert announced == [1]
    machine.disown(1)
    with trio.move_on_after(60) as patience:
        await machine.answer(CHECK, owner=2)
    assert patience.cancelled_caught
    assert application.requests == [m.Commit()]
    assert application.disowned == []


def test_a_closed_connection_is_disowned_at_once_if_the_thread_is_free() -> None:
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=run_inline)

    machine.disown(7)

    assert application.disowned == [7]


async def test_a_closed_connection_is_disowned_after_the_running_hop() -> None:
    gate = trio.Event()
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=behind(gate))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: machine.answer(CHECK, owner=1))
        await trio.testing.wait_all_tasks_blocked()
        machine.disown(7)
        assert application.disowned == []
        gate.set()

    assert application.disowned == [7]


async def test_a_hop_is_shown_to_the_application_before_it_is_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    application = FakeApplication()
    announced: list[int] = []
    machine = StateMachine(application, on_commit=announced.append, run_sync=run_inline)
    hop = Hop(Priority.MEMPOOL, (m.CheckTx(b"1"), m.CheckTx(b"2")))
    await machine.answer(hop, owner=1)
    await machine.answer(CHECK, owner=1)
    assert application.prepared == [hop.requests]


async def test_large_proposals_have_a_thread_beside_the_turns() -> None:
    threads: list[object] = []

    async def counted(sync_fn: Callable[[], None], **options: object) -> None:
        await trio.lowlevel.checkpoint()
        threads.append(options["limiter"])
        sync_fn()

    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=counted)
    proposal = m.PrepareProposal(1 << 30, (b"x",) * 1_000)
    answers = await machine.answer(Hop(None, [proposal]), owner=1)
    assert answers == [m.PrepareProposalAnswer(proposal.txs)]
    assert len(threads) == 1


async def test_it_is_settled_once_a_commit_is_done() -> None:
    gate = trio.Event()
    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=behind(gate))
    await machine.settled()
    order: list[str] = []

    async def wait() -> None:
        await machine.settled()
        order.append("settled")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            partial(machine.answer, Hop(Priority.CONSENSUS, [m.Commit()]), owner=1)
        )
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        order.append("commit")
        gate.set()
    assert order == ["commit", "settled"]


async def test_how_long_work_waited_and_took_by_what_it_was() -> None:
    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=run_inline)
    begin = Hop(Priority.CONSENSUS, [m.EndBlock(1)])
    for hop in (CHECK, begin, COMMIT, CHECK, INFO):
        await machine.answer(hop, owner=1)
    for durations in (machine.waits, machine.times):
        counts = {k: each.distribution().up_to[-1] for k, each in durations.items()}
        assert counts == {"commit": 1, "block": 1, "check": 2, "restore": 0}


async def test_what_the_machine_does_is_counted() -> None:
    gate = trio.Event()
    machine = StateMachine(FakeApplication(), on_commit=nothing, run_sync=behind(gate))
    at_rest = machine.statistics()
    async with trio.open_nursery() as nursery:
        for owner in (1, 2, 3):
            nursery.start_soon(partial(machine.answer, CHECK, owner=owner))
        await trio.testing.wait_all_tasks_blocked()
        assert machine.statistics()[:2] == (True, 2)
        gate.set()
    assert at_rest[:2] == (False, 0)
    assert machine.statistics() == at_rest


SNAPSHOT = s.Snapshot(7, 1, 2, b"hash", b"")
OFFER = Hop(Priority.RESTORING, [s.OfferSnapshot(SNAPSHOT, b"7")])
LIST = Hop(Priority.SERVING, [s.ListSnapshots()])


def piece(index: int) -> Hop:
    """A chunk that is to be restored."""
    return Hop(Priority.RESTORING, [s.ApplySnapshotChunk(index, b"", "")])


async def test_a_snapshot_is_served_while_the_state_machine_is_at_work() -> None:
    gate = trio.Event()
    application = FakeApplication()
    application.snapshots[SNAPSHOT] = [b"0", b"1"]
    limiters: list[object] = []

    async def run_sync(sync_fn: Callable[[], None], **options: object) -> None:
        limiters.append(options["limiter"])
        if limiters[0] is options["limiter"]:
            await gate.wait()
        await trio.lowlevel.checkpoint()
        sync_fn()

    machine = StateMachine(application, on_commit=nothing, run_sync=run_sync)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: machine.answer(COMMIT, owner=1))
        await trio.testing.wait_all_tasks_blocked()
        assert await machine.answer(LIST, owner=2) == [s.SnapshotsAnswer((SNAPSHOT,))]
        load = Hop(Priority.SERVING, [s.LoadSnapshotChunk(7, 1, 1)])
        assert await machine.answer(load, owner=2) == [s.ChunkAnswer(b"1")]
        assert machine.statistics().busy
        gate.set()
    assert len(set(limiters)) == 2


async def test_a_restored_snapshot_is_announced_as_its_last_block() -> None:
    announced: list[int] = []
    machine = StateMachine(
        FakeApplication(), on_commit=announced.append, run_sync=run_inline
    )
    for hop in (OFFER, piece(0)):
        await machine.answer(hop, owner=1)
        assert announced == []
    await machine.answer(piece(1), owner=1)
    assert announced == [7]
    assert machine.times["restore"].distribution().up_to[-1] == 3


async def test_an_engine_that_starts_is_not_greeted_in_the_middle_of_a_chunk() -> None:
    gate = trio.Event()
    application = FakeApplication()
    machine = StateMachine(application, on_commit=nothing, run_sync=behind(gate))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: machine.answer(OFFER, owner=1))
        await trio.testing.wait_all_tasks_blocked()
        settled = trio.Event()

        async def wait() -> None:
            await machine.settled()
            settled.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not settled.is_set()
        gate.set()
        await settled.wait()
