"""Reports to a supervisor, received as systemd receives them: on a Unix datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from trio_stream.net.notify import Notifier, from_environment


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.setblocking(False)
        yield bound


def received(supervisor: socket.socket) -> list[list[str]]:
    """The lines of each datagram so far."""
    found = []
    while True:
        try:
            found.append(supervisor.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def test_start_and_stop_are_reported(supervisor: socket.socket) -> None:
    notifier = Notifier(supervisor.getsockname())
    notifier.ready("block 7")
    notifier.stopping()
    assert received(supervisor) == [
        ["READY=1", "STATUS=block 7"],
        ["STOPPING=1", "STATUS=stopping"],
    ]


def test_a_name_may_be_abstract() -> None:
    name = f"trio_stream-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("\0" + name)
        bound.setblocking(False)
        Notifier(f"@{name}").ready("")
        assert received(bound) == [["READY=1", "STATUS="]]


@pytest.mark.parametrize(
    ("watchdog", "seconds", "lines"),
    [
        (None, 35, 3 * [["STATUS=well"]]),
        (30.0, 35, 3 * [["WATCHDOG=1", "STATUS=well"]]),
        (4.0, 7, 3 * [["WATCHDOG=1", "STATUS=well"]]),
    ],
)
async def test_signs_of_life_come_in_time(
    supervisor: socket.socket,
    watchdog: float | None,
    seconds: float,
    lines: list[list[str]],
    autojump_clock: MockClock,
) -> None:
    notifier = Notifier(supervisor.getsockname(), watchdog)
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run, lambda: "well", scope)
        await trio.sleep(seconds)
        scope.cancel()
    assert received(supervisor) == lines


async def test_without_a_supervisor_nothing_is_sent() -> None:
    notifier = Notifier()
    notifier.ready("")
    notifier.stopping()
    await notifier.run(lambda: "", trio.CancelScope())


def test_a_supervisor_that_is_away_or_busy_is_not_waited_for(
    supervisor: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier(str(tmp_path / "nobody")).ready("")
    assert f"NOTIFY_SOCKET {tmp_path}/nobody: " in caplog.text
    caplog.clear()
    while not caplog.records:
        Notifier(supervisor.getsockname()).ready("x" * 10_000)
    assert "temporarily unavailable" in caplog.text
    assert all(len(lines[1]) < 600 for lines in received(supervisor))


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, Notifier()),
        ({"NOTIFY_SOCKET": ""}, Notifier()),
        ({"NOTIFY_SOCKET": "/run/n"}, Notifier("/run/n")),
        (
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000"},
            Notifier("@n", 30.0),
        ),
        (
            {
                "NOTIFY_SOCKET": "@n",
                "WATCHDOG_USEC": "30000000",
                "WATCHDOG_PID": str(os.getpid()),
            },
            Notifier("@n", 30.0),
        ),
        (
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
            Notifier("@n"),
        ),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "0"}, Notifier("@n")),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, Notifier("@n")),
        ({"WATCHDOG_USEC": "30000000"}, Notifier()),
    ],
)
def test_the_environment_names_the_supervisor(
    variables: dict[str, str], found: Notifier
) -> None:
    assert from_environment(variables) == found


def test_other_kinds_of_sockets_are_not_supported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert from_environment({"NOTIFY_SOCKET": "vsock:2:1"}) == Notifier()
    assert "only Unix sockets" in caplog.text
