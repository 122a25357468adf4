"""`trio-stream tail`: what it prints, and with which status it ends."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.scripted_feed import FEED, feed
from tests.scripted_server import (
    ALL,
    Act,
    Network,
    Visit,
    message,
    rejecting,
    sending,
    serve,
)
from trio_stream.__main__ import main
from trio_stream.client import iterate
from trio_stream.commands import tail as tail_command
from trio_stream.commands.tail_lines import readable


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    meeting = partial(iterate, open_tcp=network.open_tcp, jitter=lambda: 0.0)
    monkeypatch.setattr(tail_command, "iterate", meeting)
    monkeypatch.setattr("trio_stream.client.resume.FIRST_DELAY", 0.001)
    return network


def tail(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    tail_command.add_to(parser.add_subparsers())
    given = parser.parse_args(["tail", *map(str, arguments)])
    status: int = given.command(given)
    return status


def test_events_are_printed_until_the_end(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    network.host("a", serve(2), serve(code=1000))
    assert tail("ws://a", "--until", "tip", "--after", "earliest") == 0
    assert capsys.readouterr().out.splitlines() == [readable(event) for event in ALL]
    assert network.asked("after")[0] == "earliest"


def test_messages_are_printed_as_they_came(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    rich = message(1, 0, transaction={"metadata": {"ä\n": [1.5, None, -0.0, 10**30]}})

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(rich)
        await visit.close(1000)

    network.host("a", act)
    assert tail("ws://a", "--json", "--detail", "full", "--until", "1") == 0
    assert capsys.readouterr().out == json.dumps(rich) + "\n"
    assert network.asked("detail") == ["full"]


def test_filters_are_passed_on(network: Network) -> None:
    network.host("a", serve(code=1000))
    arguments = ["--asset-id", "a1", "--asset-id", "a2", "--public-key", "k"]
    arguments += ["--operation", "CREATE", "--from-height", "1", "--until", "3"]
    assert tail("ws://a", *arguments) == 0
    ((_, visit),) = network.visits
    assert visit.parameters == {
        "detail": ["position"],
        "asset_id": ["a1", "a2"],
        "public_key": ["k"],
        "operation": ["CREATE"],
        "notices": ["1"],
        "from_height": ["1"],
        "until": ["3"],
    }


def test_filters_of_followed_chains_are_passed_on(network: Network) -> None:
    network.host("a", feed(code=1000))
    arguments = ["--stream", "events", "--query", "a = 1", "--query", "b.c EXISTS"]
    arguments += ["--sender", "s1", "--sender", "s2", "--recipient", "r"]
    arguments += ["--contract", "c", "--action", "x", "--match", "event"]
    assert tail("ws://a", *arguments, "--until", "6") == 0
    ((_, visit),) = network.visits
    assert visit.target.startswith("/api/v1/streams/events?")
    assert visit.parameters == {
        "detail": ["position"],
        "query": ["a = 1", "b.c EXISTS"],
        "sender": ["s1", "s2"],
        "recipient": ["r"],
        "contract": ["c"],
        "action": ["x"],
        "match": ["event"],
        "notices": ["1"],
        "until": ["6"],
    }


def test_events_that_share_a_position_are_printed_once(
    network: Network, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    asking = ["--stream", "events", "--until", "6", "--state", str(state)]
    network.host("a", feed(2), feed(3), feed(code=1000))
    assert tail("ws://a", "--json", *asking) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in printed] == FEED
    assert state.read_text().strip() == FEED[-1]["position"]


def test_a_token_is_read_from_a_file(network: Network, tmp_path: Path) -> None:
    network.host("a", serve(code=1000))
    file = tmp_path / "token"
    file.write_text("secret-token\n")
    assert tail("ws://a", "--token-file", file, "--until", "3") == 0
    ((_, visit),) = network.visits
    assert visit.headers["authorization"] == "Bearer secret-token"


@pytest.mark.parametrize("text", [None, "é", "a b", ""])
def test_a_file_without_a_token_is_named(
    network: Network,
    tmp_path: Path,
    text: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert tail("ws://a", "--token-file", file) == 2
    said = capsys.readouterr().err
    assert str(file) in said or "token must consist of" in said
    assert not network.visits


def test_a_state_file_resumes_where_it_ended(
    network: Network, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def part(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*ALL[:3])
        await visit.close(1000)

    network.host("a", part, serve(code=1000))
    for _ in range(2):
        state = tmp_path / "state"
        assert tail("ws://a", "--json", "--state", state, "--until", "3") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == ALL


def test_a_stream_of_another_kind_of_chain_is_one_line_and_status_2(
    network: Network, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"error": "unknown_stream", "message": "it has transactions, blocks, events"}
    network.host("a", rejecting(404, said))
    assert tail("ws://a") == 2
    assert capsys.readouterr().err == (
        "trio-stream: ws://a refused with 404: it has transactions, blocks, events\n"
    )


@pytest.mark.parametrize("status", [400, 409, 410])
def test_a_refusal_is_one_line_and_status_2(
    network: Network, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    network.host("a", rejecting(status, {"message": "no such parameter"}))
    assert tail("ws://a", "--after", "5") == 2
    assert capsys.readouterr().err == (
        f"trio-stream: ws://a refused with {status}: no such parameter\n"
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["http://a"], "http://a"),
        (["ws://a/streams/valid_blocks", "ws://b"], "same stream"),
        (["ws://a", "--stream", "event"], "unknown stream 'event'; there are"),
    ],
)
def test_impossible_options_are_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert tail(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ws://a", "--until", "soon"],
        ["ws://a", "--from-height", "x"],
        ["ws://a", "--after", "1", "--from-height", "1"],
        ["ws://a", "--detail", "some"],
        ["ws://a", "--match", "all"],
        ["ws://a", "--aft", "earliest"],
    ],
)
def test_wrong_arguments_have_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        tail(*arguments)
    assert ended.value.code == 2


def test_a_state_that_is_something_else_has_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("my diary")
    assert tail("ws://a", "--state", tmp_path / "state") == 2
    assert "my diary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("act", "arguments"),
    [
        (sending(message(1, 0), message(1, 0)), []),
        (serve(), ["--state", "/nonexistent/state"]),
    ],
)
def test_what_breaks_it_is_one_line_and_status_1(
    network: Network,
    capsys: pytest.CaptureFixture[str],
    act: Act,
    arguments: list[str],
) -> None:
    network.host("a", act)
    assert tail("ws://a", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("trio-stream: ")


def test_an_interrupt_ends_it_and_saves_what_was_printed(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[object] = []

    def interrupted(event: dict[str, object]) -> str:
        if len(lines) == 3:
            signal.raise_signal(signal.SIGTERM)
        lines.append(event)
        return ""

    monkeypatch.setattr(tail_command, "readable", interrupted)
    network.host("a", serve())
    assert tail("ws://a", "--state", tmp_path / "state") == 0
    assert lines == ALL[:3]
    assert (tmp_path / "state").read_text().strip() == ALL[2]["position"]


def test_a_reader_that_has_enough_is_an_end(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        network.host("a", serve())
        assert tail("ws://a", "--state", tmp_path / "state") == 0
    # The first event was not printed, so it comes again.
    assert (tmp_path / "state").read_text().startswith("0::")


def test_lost_connections_are_reported(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.host("a", rejecting(503, "full"), serve(code=1000))
    assert tail("ws://a", "--until", "3") == 0
    assert "ws://a: refused with 503: full; trying ws://a in 0.0 s" in caplog.text


def test_the_command_line_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", "http://a"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
