"""`trio-stream run`: what a mistake at the start looks like, and with which status it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.daemon_process import Settings
from tests.forked import run_in_fork
from trio_stream import daemon
from trio_stream.__main__ import main
from trio_stream.config import Config, DoorSettings
from trio_stream.log.followed.writer import FollowedLog

DEADLINE = 120
"""Seconds that nothing here comes near; a hang fails instead of hanging."""


def test_the_node_runs_with_the_settings_given(
    ran: list[tuple[object, DoorSettings]],
) -> None:
    assert main(["run", "--home", "/there", "--node", "http://a:1"]) == 0
    assert ran == [(daemon.run, Config(home=Path("/there"), node="http://a:1"))]


def home_is_a_file(home: Path) -> list[str]:
    home.write_text("mine")
    return []


def home_under_a_file(home: Path) -> list[str]:
    home.write_text("mine")
    return ["--home", str(home / "below")]


def log_is_a_directory(home: Path) -> list[str]:
    (home / "log.db").mkdir(parents=True)
    return []


def log_is_a_followers(home: Path) -> list[str]:
    FollowedLog.open(home).close()
    return []


def log_is_of_another_program(home: Path) -> list[str]:
    home.mkdir()
    (home / "log.db").write_bytes(b"not a database, but long enough" * 100)
    return []


def socket_in_a_missing_directory(home: Path) -> list[str]:
    return ["--abci", f"unix://{home}/missing/abci.sock"]


def socket_is_a_file(home: Path) -> list[str]:
    home.mkdir()
    (home / "abci.sock").write_text("mine")
    return ["--abci", f"unix://{home}/abci.sock"]


def impossible_name(home: Path) -> list[str]:
    return ["--api", "a..b:0"]


def address_of_another_machine(home: Path) -> list[str]:
    return ["--stream", "192.0.2.1:0"]


def configured(home: Path, text: str) -> list[str]:
    file = home.parent / "config.toml"
    file.write_text(text)
    return ["--config", str(file)]


def no_certificate(home: Path) -> list[str]:
    return configured(home, 'tls_certificate = "/no.pem"\ntls_key = "/no.key"')


def not_toml(home: Path) -> list[str]:
    return configured(home, "max_clients 5")


@pytest.mark.parametrize(
    ("mistake", "status", "named"),
    [
        (home_is_a_file, 1, "home: File exists (the data directory must be a dir"),
        (home_under_a_file, 1, "below: Not a directory (the data directory must be"),
        (log_is_a_directory, 1, "log.db: "),
        (log_is_of_another_program, 1, "log.db: .*restore a copy"),
        (log_is_a_followers, 1, "log.db: it is a follower's log .*another --home"),
        (
            socket_in_a_missing_directory,
            1,
            "missing/abci.sock: .*create its directory first",
        ),
        (socket_is_a_file, 1, "abci.sock: there is a file .* not a socket"),
        (impossible_name, 1, "a..b:0: 'a..b' is not a host name"),
        (address_of_another_machine, 1, "192.0.2.1:0: .*does not have that address"),
        (no_certificate, 2, "tls_certificate /no.pem: No such file"),
        (not_toml, 2, "config.toml: .*line 1"),
    ],
)
def test_a_mistake_at_the_start_is_one_line(
    mistake: Callable[[Path], list[str]],
    status: int,
    named: str,
    tmp_path: Path,
    starting: None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    more = mistake(home)
    assert main([*Settings(home=home).arguments_of_run(), *more]) == status
    records = [each for each in caplog.records if each.levelname != "INFO"]
    lines = [f"{each.levelname} {each.getMessage()}" for each in records]
    # Before the configuration says how to log, it is printed.
    (said,) = [x for x in lines if x.startswith("CRITICAL ")] or (
        capsys.readouterr().err.splitlines()
    )
    assert re.search(named.replace("(", r"\("), said), said
    assert "Errno" not in said
    assert all(x == said or x.startswith("WARNING ") for x in lines)
    assert not any(each.exc_info for each in records)


def test_the_process_ends_with_that_line_and_status(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home_is_a_file(home)
    arguments = Settings(home=home).arguments_of_run()
    ended, stderr = run_in_fork(arguments, tmp_path / "said", seconds=DEADLINE)
    assert ended == 1
    *warnings, said = stderr.splitlines()
    assert "home: File exists" in said
    # If the limit of open files is low.
    assert all(" WARNING " in line for line in warnings)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--abci", "localhost"], "--abci"),
        (["--abci", "unix:///" + "x" * 108], "109 bytes"),
        (["--api", "localhost:7", "--stream", "localhost:7"], "api and stream"),
        (["--config", "/nonexistent.toml"], "/nonexistent.toml"),
        (["--nodes", "x"], "--nodes"),
        (["--ho", "x"], "--ho"),
    ],
)
def test_a_wrong_argument_is_named_with_status_2(
    arguments: list[str],
    named: str,
    starting: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        status = main(["run", *arguments])
    except SystemExit as ended:  # which argparse raises
        status = int(str(ended.code))
    assert status == 2
    assert named in capsys.readouterr().err
