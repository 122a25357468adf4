"""`trio-stream follow`: what it is given, and what a mistake at the start looks like."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.follower_process import FollowerSettings
from trio_stream import daemon
from trio_stream.__main__ import main
from trio_stream.config import DoorSettings, FollowConfig
from trio_stream.config.following_values import Bounds
from trio_stream.log.writer import CommitLog

NODE = ("--node", "http://a:1")


def test_the_follower_runs_with_the_settings_given(
    ran: list[tuple[object, DoorSettings]],
) -> None:
    arguments = [*NODE, "--node", "https://b/rpc", "--from", "7", "--keep", "7d"]
    arguments += ["--allow-gaps", "--index-keys", "none", "--rate", "20"]
    arguments += ["--attributes", "plain", "--home", "/there", "--confirm", "1"]
    arguments += ["--agree", "2"]
    assert main(["follow", *arguments]) == 0
    expected = FollowConfig(
        home=Path("/there"),
        node=("http://a:1", "https://b/rpc"),
        from_=7,
        keep=Bounds(seconds=604_800, text="7d"),
        allow_gaps=True,
        confirm=1,
        agree=2,
        index_keys="none",
        rate=20.0,
        attributes="plain",
    )
    assert ran == [(daemon.follow, expected)]


def test_gaps_may_be_allowed_elsewhere(
    ran: list[tuple[object, DoorSettings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIO_STREAM_ALLOW_GAPS", "true")
    assert main(["follow", *NODE]) == 0
    assert ran == [(daemon.follow, FollowConfig(node=("http://a:1",), allow_gaps=True))]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "node: give the address of a node"),
        (["--node", "a:1"], "--node must be http://HOST:PORT"),
        ([*NODE, "--from", "now"], "--from must be earliest, tip, or a height"),
        ([*NODE, "--keep", "5"], "--keep must be everything"),
        ([*NODE, "--agree", "2"], "agree: 2 nodes must say the same, and only 1 are"),
        ([*NODE, "--confirm", "2"], "--confirm must be a whole number from 0 to 1"),
        ([*NODE, "--rate", "0"], "--rate must be auto"),
        ([*NODE, "--index-keys", "x"], "--index-keys must be flagged"),
        ([*NODE, "--attributes", "hex"], "--attributes must be auto"),
        ([*NODE, "--abci", "tcp://a:1"], "--abci"),
        ([*NODE, "--api", "localhost:7", "--stream", "localhost:7"], "api and stream"),
    ],
)
def test_a_wrong_argument_is_named_with_status_2(
    arguments: list[str],
    named: str,
    starting: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        status = main(["follow", *arguments])
    except SystemExit as ended:  # which argparse raises
        status = int(str(ended.code))
    assert status == 2
    assert named in capsys.readouterr().err


def home_is_a_file(home: Path) -> list[str]:
    home.write_text("mine")
    return []


def log_is_a_nodes(home: Path) -> list[str]:
    CommitLog.open(home).close()
    return []


def no_tokens(home: Path) -> list[str]:
    file = home.parent / "follow.toml"
    file.write_text('tokens = "/no.tokens"')
    return ["--config", str(file)]


@pytest.mark.parametrize(
    ("mistake", "status", "named"),
    [
        (home_is_a_file, 1, "home: File exists"),
        (log_is_a_nodes, 1, "log.db: it is a node's log .*name another --home"),
        (no_tokens, 2, "tokens /no.tokens: No such file"),
    ],
)
def test_a_mistake_at_the_start_is_one_line(
    mistake: Callable[[Path], list[str]],
    status: int,
    named: str,
    tmp_path: Path,
    starting: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = tmp_path / "home"
    more = mistake(home)
    settings = FollowerSettings(home=home, node=["http://127.0.0.1:1"], arguments=more)
    assert main(settings.arguments_of_follow()) == status
    (said,) = [each for each in caplog.records if each.levelname == "CRITICAL"]
    assert re.search(named, said.getMessage())
    assert said.exc_info is None
