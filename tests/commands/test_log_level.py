"""`trio-stream log-level`, and the daemon that it asks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.daemon_process import Settings, run_daemon
from trio_stream.__main__ import main
from trio_stream.commands.log_level import ask
from trio_stream.log.file import holder_of, lock_directory
from trio_stream.net.logs import WISH

DEADLINE = 120


@contextmanager
def held(home: Path) -> Iterator[None]:
    """A data directory that belongs to this process."""
    descriptor = lock_directory(home)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.fixture
def ignored() -> Iterator[None]:
    """This process survives the signal."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_who_holds_a_data_directory(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with held(tmp_path):
        assert holder_of(tmp_path) == os.getpid()
    assert holder_of(tmp_path) is None


def test_without_a_daemon_nobody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["log-level", "debug", "--home", str(tmp_path)]) == 1
    assert "no daemon runs on the data directory" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_setting_that_cannot_be_used_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["log-level", "debug", "--config", str(tmp_path / "missing")]
    assert main(arguments) == 2
    assert "missing" in capsys.readouterr().err


def test_a_daemon_that_does_not_answer_is_named(tmp_path: Path, ignored: None) -> None:
    with held(tmp_path):
        said = ask(tmp_path, "debug", patience=0.05)
    assert said == f"the daemon (process {os.getpid()}) did not answer within 0.05 s"
    assert not (tmp_path / WISH).exists()


def test_a_directory_that_cannot_be_written_to_is_named(
    tmp_path: Path, ignored: None
) -> None:
    (tmp_path / f"{WISH}.part").mkdir()
    with held(tmp_path):
        assert "could not be asked: " in ask(tmp_path, "debug")


@pytest.mark.slow
async def test_a_daemon_that_runs_changes_its_level(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"

    async def set_to(level: str) -> None:
        arguments = ["log-level", level, "--home", str(home)]
        run = trio.to_thread.run_sync
        assert await run(main, arguments) == 0
        assert capsys.readouterr().out == f"the log level is now {level}\n"

    with trio.fail_after(DEADLINE):
        async with run_daemon(Settings(home=home)) as daemon:
            await set_to("debug")
            await set_to("error")
            daemon.send_signal(signal.SIGUSR1)
            await child.poll(
                lambda: _says(daemon.log, 2), seconds=DEADLINE, what="debug"
            )
            assert await daemon.stop() == 0


async def _says(log: Path, count: int) -> bool | None:  # noqa: ASYNC124  # for `poll`
    return log.read_text().count("the log level is now debug") == count or None
