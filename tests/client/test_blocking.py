"""The iterator for programs without Trio."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.scripted_feed import FEED, feed
from tests.scripted_server import (
    ALL,
    Act,
    Kept,
    Network,
    Visit,
    end_of,
    message,
    rejecting,
    serve,
)
from trio_stream.client import Options, Refused, iterate


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_stream.client.resume.FIRST_DELAY", 0.001)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    # Trio's own worker threads wait a while for more work.
    ours = [each for each in threading.enumerate() if each.name == "trio_stream"]
    assert not ours, before


def options(*acts: Act, **more: Any) -> Options:
    network = Network()
    network.host("a", *acts)
    return cast(Options, {"open_tcp": network.open_tcp, **more})


def test_events_come_in_order_over_lost_connections() -> None:
    with iterate("ws://a", **options(serve(2), serve(0), serve(1), serve())) as events:
        assert [next(events) for _ in ALL] == ALL
        assert events.position == ALL[-1]["position"]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="option 'since'; did you mean 'after'"):
        with iterate("ws://a", **options(serve(), since="earliest")):
            pass  # pragma: no cover


def test_the_end_ends_it() -> None:
    asking = options(serve(1), serve(code=1000), until="tip")
    with iterate("ws://a", **asking) as events:
        assert list(events) == ALL
        assert list(events) == []


def test_many_events_are_handed_over_as_they_are() -> None:
    many = [message(height, 0) for height in range(1, 500)]
    full = threading.Event()

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*many)
        await wait_all_tasks_blocked()
        full.set()
        await visit.until_gone()

    with iterate("ws://a", **options(act)) as events:
        full.wait()
        assert [next(events) for _ in many] == many


def test_a_refusal_is_raised_where_the_caller_waits() -> None:
    with iterate("ws://a", **options(rejecting(409))) as events:
        for _ in range(2):
            with pytest.raises(Refused):
                next(events)


def test_a_fault_of_ours_is_raised_where_the_caller_waits() -> None:
    async def open_tcp(host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with iterate("ws://a", open_tcp=open_tcp) as events:
        with pytest.raises(ZeroDivisionError):
            next(events)


def test_positions_are_kept_in_the_callers_thread() -> None:
    threads = set()

    class Bound(Kept):
        def load(self) -> str | None:
            threads.add(threading.current_thread())
            return super().load()

        def save(self, position: str) -> None:
            threads.add(threading.current_thread())
            super().save(position)

    kept = Bound()
    with iterate("ws://a", **options(serve(), checkpoint=kept)) as events:
        next(events)
        assert kept.saved == [end_of(0)]
        next(events)
        assert kept.saved == [end_of(0), ALL[0]["position"]]
    assert kept.saved[2:] == [ALL[1]["position"]]
    assert threads == {threading.current_thread()}


def test_an_event_that_the_caller_fails_on_is_not_kept() -> None:
    kept = Kept()
    asking = options(serve(), checkpoint=kept, checkpoint_every=100)
    with pytest.raises(KeyError):
        with iterate("ws://a", **asking) as events:
            for _ in range(3):
                next(events)
            raise KeyError
    assert kept.saved[-1] == ALL[1]["position"]


def test_a_position_is_kept_once_all_its_events_are_done() -> None:
    kept = Kept()
    asking = options(feed(2), feed(), stream="events", checkpoint=kept)
    with iterate("ws://a", **asking) as events:
        assert [next(events) for _ in FEED[:5]] == FEED[:5]
        assert events.position == FEED[3]["position"]
    places = [FEED[2]["position"], FEED[3]["position"]]
    assert [each for each in kept.saved if each != end_of(0)] == places


def test_a_path_is_a_checkpoint(tmp_path: Path) -> None:
    for part in (ALL[:3], ALL[3:]):
        asking = options(serve(), checkpoint=tmp_path / "state")
        with iterate("ws://a", **asking) as events:
            assert [next(events) for _ in part] == part


def test_a_checkpoint_to_be_awaited_is_for_trio() -> None:
    class Awaited(Kept):
        async def load(self) -> str | None:  # type: ignore[override]
            raise AssertionError("is never awaited")

    checkpoint = Awaited()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        with pytest.raises(TypeError, match="open_stream"):
            with iterate("ws://a", checkpoint=checkpoint):
                raise AssertionError("must not begin")


def test_an_interrupt_while_waiting_loses_nothing() -> None:
    waiting, interrupted = threading.Event(), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(*_: object) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(ALL[0])
        await trio.to_thread.run_sync(waiting.wait)
        # Again and again: Python does not notice one that comes just before it waits.
        for _ in range(200):
            await trio.sleep(0.05)
            if interrupted.is_set():
                break
            signal.pthread_kill(main, signal.SIGINT)
        await visit.send(ALL[1])
        await visit.until_gone()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with iterate("ws://a", **options(act)) as events:
            assert next(events) == ALL[0]
            with pytest.raises(KeyboardInterrupt):
                waiting.set()
                next(events)
            assert next(events) == ALL[1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_error_of_a_trio_that_cannot_run_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(main: object) -> None:
        raise OSError("no epoll")

    monkeypatch.setattr(trio, "run", fail)
    with pytest.raises(OSError, match="no epoll"):
        with iterate("ws://a", **options(serve())) as events:
            next(events)


def test_wrong_options_are_said_at_once() -> None:
    with pytest.raises(ValueError, match="no URL"):
        with iterate([]):
            raise AssertionError("must not begin")


def test_inside_of_trio_it_says_that_it_blocks() -> None:
    async def main() -> None:
        with iterate("ws://a", **options(serve())) as events:
            await trio.lowlevel.checkpoint()
            next(events)

    with pytest.raises(RuntimeError, match="blocking function"):
        trio.run(main)
