"""What each signal does to the daemon."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from scripts import child
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from trio_stream.net import signals as daemon_signals

DEADLINE = 120

HARMLESS = {
    *(signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT),
    *(signal.SIGPIPE, signal.SIGXFSZ),
}
FAULTS_AND_JOBS = {
    *(signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU),
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
    *(signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
}


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN], ids=["", "nohup"])
def hangup(request: pytest.FixtureRequest) -> Iterator[signal.Handlers]:
    """What SIGHUP does when the daemon starts."""
    before = signal.signal(signal.SIGHUP, request.param)
    yield request.param
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("at_terminal", [True, False])
def test_every_signal_that_would_end_the_process_is_caught(
    at_terminal: bool, hangup: signal.Handlers
) -> None:
    ends = daemon_signals.ends(at_terminal=at_terminal)
    ignored = daemon_signals.ignored(at_terminal=at_terminal)
    reloads = daemon_signals.reloads(at_terminal=at_terminal)

    assert not ends & ignored and not reloads & (ends | ignored)
    caught = ends | ignored | reloads | {daemon_signals.LEVEL}
    assert caught == signal.valid_signals() - HARMLESS - FAULTS_AND_JOBS
    assert daemon_signals.LEVEL not in ends | ignored


@pytest.mark.parametrize("at_terminal", [True, False])
def test_a_closed_terminal_is_an_end_unless_nohup_says_otherwise(
    at_terminal: bool, hangup: signal.Handlers
) -> None:
    ends = daemon_signals.ends(at_terminal=at_terminal)

    is_end = at_terminal and hangup == signal.SIG_DFL
    assert (signal.SIGHUP in ends) == is_end
    assert (signal.SIGHUP in daemon_signals.reloads(at_terminal=at_terminal)) != is_end


async def test_each_signal_is_reported_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def signals() -> AsyncIterator[int]:  # noqa: ASYNC124  # as trio gives them
        yield signal.SIGUSR2
        yield signal.SIGRTMIN + 3

    await daemon_signals.report(signals(), trio.CancelScope())

    one, other = caplog.messages
    assert one.startswith("SIGUSR2 is ignored")
    assert other.startswith(f"signal {signal.SIGRTMIN + 3} is ignored")


async def logged(daemon: RunningDaemon, text: str) -> None:
    async def look() -> bool | None:  # noqa: ASYNC124  # what `poll` asks for
        return text in daemon.log.read_text(encoding="utf-8") or None

    await child.poll(look, seconds=DEADLINE, what=text)


@pytest.mark.slow
async def test_the_process_survives_ignored_signals(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with run_daemon(Settings(home=tmp_path / "home")) as process:
            process.send_signal(signal.SIGUSR2)
            await logged(process, "SIGUSR2 is ignored")
            process.send_signal(signal.SIGHUP)
            await logged(process, "SIGHUP: reading certificates and tokens again")
            process.process.send_signal(signal.SIGRTMIN + 1)
            await logged(process, f"signal {signal.SIGRTMIN + 1} is ignored")
            assert (await process.http("GET", "/")).status == 200
            assert await process.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGXCPU])
async def test_other_ends_are_orderly_as_well(
    tmp_path: Path, number: signal.Signals
) -> None:
    with trio.fail_after(DEADLINE):
        async with run_daemon(Settings(home=tmp_path / "home")) as process:
            process.send_signal(number)
            assert await process.wait() == 0
            assert f"{number.name}: stopping" in process.last_words()


async def test_something_is_called_at_each_signal() -> None:
    called: list[int] = []
    caught, received = trio.open_memory_channel[int](2)
    scope = trio.CancelScope()
    with caught, received:
        async with trio.open_nursery() as nursery:
            call = partial(called.append, 1)
            nursery.start_soon(daemon_signals.call_on, received, call, scope)
            for count in (1, 2):
                caught.send_nowait(signal.SIGHUP)
                await trio.testing.wait_all_tasks_blocked()
                assert len(called) == count
            scope.cancel()


async def test_without_signals_nothing_is_received() -> None:
    with daemon_signals.receiver(frozenset()) as received:
        with trio.move_on_after(0.01) as patience:
            await anext(received)
        assert patience.cancelled_caught
    with daemon_signals.receiver({signal.SIGUSR2}) as received:
        signal.raise_signal(signal.SIGUSR2)
        assert await anext(received) == signal.SIGUSR2


async def test_the_next_signal_cancels() -> None:
    caught, received = trio.open_memory_channel[int](1)
    with caught, received, trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(daemon_signals.cancel_on, received, scope)
            await trio.testing.wait_all_tasks_blocked()
            assert not scope.cancel_called
            caught.send_nowait(signal.SIGTERM)
            await trio.sleep_forever()
    assert scope.cancelled_caught
