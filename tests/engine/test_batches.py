"""Broadcasts that share a request: which wait for which, and for how long."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from outcome import Outcome, Value
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_stream.engine.batches import BATCH_CALLS, PATIENCE, Batches
from trio_stream.engine.broadcast import EngineClient, EngineUnavailable
from trio_stream.engine.rpc import RpcConnections


class SlowEngine:
    """Takes its time for each request."""

    def __init__(self, seconds: float, *, most: int = BATCH_CALLS) -> None:
        self.seconds = seconds
        self.most = most
        self.requests: list[int] = []
        self.at_once = self.most_at_once = 0

    async def ask_all(self, raws: Sequence[bytes]) -> list[Outcome[bytes]] | None:
        self.requests.append(len(raws))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        return [Value(raw) for raw in raws] if len(raws) <= self.most else None

    async def post(self, body: bytes) -> tuple[bytes, bool]:
        """As `RpcConnections` does."""
        calls = json.loads(body)
        many = calls if isinstance(calls, list) else [calls]
        await self.ask_all([b""] * len(many))
        told = [{"id": each["id"], "result": {"code": 0}} for each in many]
        return json.dumps(told if isinstance(calls, list) else told[0]).encode(), False


def at_rest(batches: Batches[bytes]) -> bool:
    return not any(batches.statistics())


async def asked(engine: SlowEngine, count: int, *, size: int = 1) -> list[float]:
    """When each of `count` concurrent callers has its answer."""
    batches: Batches[bytes] = Batches(engine.ask_all, requests=16)
    began = trio.current_time()
    answered: list[float] = []

    async def ask(n: int) -> None:
        raw = b"%d" % n + b"x" * size
        assert await batches.ask(raw) == raw
        answered.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        for n in range(count):
            nursery.start_soon(ask, n)
    assert at_rest(batches)
    return answered


async def test_a_fast_engine_is_asked_once_for_many(autojump_clock: MockClock) -> None:
    engine = SlowEngine(PATIENCE / 2)
    assert max(await asked(engine, 25)) == pytest.approx(PATIENCE * 1.5)
    assert engine.requests == [10, 10, 5] and engine.most_at_once == 1


async def test_a_slow_engine_is_asked_by_several(autojump_clock: MockClock) -> None:
    engine = SlowEngine(5)
    answered = await asked(engine, 200)
    assert len(answered) == 200 and max(answered) <= 10 + 2 * PATIENCE
    assert sum(engine.requests) == 200 and engine.most_at_once == 16


async def test_a_lone_caller_does_not_wait(autojump_clock: MockClock) -> None:
    assert await asked(SlowEngine(5), 1) == [5]


async def test_large_broadcasts_go_in_parallel_requests(
    autojump_clock: MockClock,
) -> None:
    engine = SlowEngine(5)
    answered = await asked(engine, 10, size=400_000)
    assert engine.requests == [1] * 10
    assert max(answered) == pytest.approx(5 + PATIENCE)


async def test_an_engine_that_takes_one_call_is_asked_for_each(
    autojump_clock: MockClock,
) -> None:
    engine = SlowEngine(5, most=1)
    answered = await asked(engine, 12)
    assert engine.requests.count(1) == 12 and len(answered) == 12


async def test_callers_left_by_a_cancelled_leader_are_asked_again(
    autojump_clock: MockClock,
) -> None:
    engine = SlowEngine(5)
    batches: Batches[bytes] = Batches(engine.ask_all, requests=1)
    found: list[bytes] = []

    async def ask(raw: bytes, leave: trio.CancelScope) -> None:
        with leave:
            found.append(await batches.ask(raw))

    leader, second, third = (trio.CancelScope() for _ in range(3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, b"0", leader)
        await trio.testing.wait_all_tasks_blocked()
        for n, scope in enumerate((second, third, trio.CancelScope())):
            nursery.start_soon(ask, b"%d" % (n + 1), scope)
        await trio.sleep(6)
        # Second leads now, third and the last one are with it.
        assert engine.requests == [1, 3]
        second.cancel()
        await wait_all_tasks_blocked(0)
        third.cancel()
    assert found == [b"0", b"3"] and at_rest(batches)


@pytest.mark.parametrize("seed", range(20))
async def test_afterwards_nobody_waits_and_every_slot_is_free(
    seed: int, autojump_clock: MockClock
) -> None:
    chance = random.Random(seed)
    engine = SlowEngine(chance.choice([0.001, 0.1, 1]), most=chance.choice([1, 10]))
    batches: Batches[bytes] = Batches(engine.ask_all, requests=2)
    stayed: list[bool] = []

    async def ask(n: int) -> None:
        await trio.sleep(chance.random())
        with trio.move_on_after(chance.choice([0, 0.01, 0.3, 100])) as patience:
            assert await batches.ask(b"%d" % n) == b"%d" % n
        stayed.append(not patience.cancelled_caught)

    async with trio.open_nursery() as nursery:
        for n in range(60):
            nursery.start_soon(ask, n)
    assert len(stayed) == 60 and any(stayed)
    assert at_rest(batches)
    assert await batches.ask(b"again") == b"again"


# The client


async def broadcast(
    engine: SlowEngine, count: int, *, size: int, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Any, float]]:
    """The outcomes of `count` concurrent broadcasts, each with its time."""
    client = EngineClient("http://localhost:1", max_connections=32, timeout=15)
    monkeypatch.setattr(RpcConnections, "post", engine.post)
    began = trio.current_time()
    found: list[tuple[Any, float]] = []

    async def one() -> None:
        outcome: object
        try:
            outcome = await client.broadcast("async", b"x" * size)
        except EngineUnavailable as error:
            outcome = error
        found.append((outcome, trio.current_time() - began))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)
    return found


@pytest.mark.parametrize("size", [1, 100_000, 500_000])
async def test_the_timeout_is_that_of_each_request(
    size: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SlowEngine(1_000_000)
    found = await broadcast(engine, 200, size=size, monkeypatch=monkeypatch)
    assert len(found) == 200
    for outcome, seconds in found:
        assert isinstance(outcome, EngineUnavailable) and outcome.is_busy
        assert seconds == pytest.approx(15)


async def test_behind_a_slow_engine_async_is_not_worse_than_sync(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await broadcast(SlowEngine(5), 200, size=700, monkeypatch=monkeypatch)
    assert not [each for each, _ in found if isinstance(each, EngineUnavailable)]
