"""A daemon is run: what it is given, and what its end looks like."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path

import pytest
import trio

from trio_stream.access.tokens import TokensError
from trio_stream.commands import running
from trio_stream.config import Config, ConfigError, DoorSettings
from trio_stream.follower.troubles import WrongChain
from trio_stream.log.errors import CommitLogError
from trio_stream.net.tls import CertificateError

Ran = list[tuple[object, DoorSettings]]


async def daemon(_: Config) -> None:
    """It is not run here."""
    await trio.lowlevel.checkpoint()


def run(config: Config | None = None) -> int:
    given = config or Config()
    return running.run_daemon(lambda: given, daemon, others=lambda _: 5)


def test_the_daemon_runs_with_the_settings_that_were_read(ran: Ran) -> None:
    config = Config(home=Path("/there"), log_level="ERROR")
    assert run(config) == 0

    assert ran == [(daemon, config)]
    assert logging.root.level == logging.ERROR
    assert logging.getLogger("hypercorn").level == logging.ERROR
    assert sys.getswitchinterval() == pytest.approx(running.SWITCH_INTERVAL)
    assert gc.get_threshold() == running.GC_THRESHOLDS


def test_the_files_that_it_needs_are_counted(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def fit(config: Config, *, others: int) -> Config:
        counted.append(others)
        return config

    monkeypatch.setattr(running, "fit", fit)
    run()
    assert counted == [5]


def test_a_setting_that_cannot_be_used_is_status_2(
    ran: Ran, capsys: pytest.CaptureFixture[str]
) -> None:
    def read() -> Config:
        raise ConfigError("--abci must be something")

    assert running.run_daemon(read, daemon, others=lambda _: 5) == 2
    assert capsys.readouterr().err == "trio-stream: --abci must be something\n"
    assert not ran


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("the cause"), 2),
        (CertificateError("the cause"), 2),
        (TokensError("the cause"), 2),
        (OSError("the cause"), 1),
        (CommitLogError("open", Path("log.db"), "the cause"), 1),
        (WrongChain("the cause", "and what to do"), 1),
    ],
)
def test_what_ends_the_daemon_is_one_line(
    error: Exception,
    status: int,
    starting: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(main: object, config: Config) -> None:
        raise ExceptionGroup("", [ExceptionGroup("", [error])])

    monkeypatch.setattr(trio, "run", fail)
    assert run() == status

    (line,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert line.getMessage() == str(error)
    assert line.exc_info is None


def test_ctrl_c_before_the_daemon_catches_it_is_status_130(
    starting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(main: object, config: Config) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trio, "run", interrupted)
    assert run() == 130
