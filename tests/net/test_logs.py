"""Lines for people and for programs, and a level that changes at run time."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from trio_stream.net import logs
from trio_stream.net.logs import WISH, JsonFormatter, LevelSwitch, set_level, set_up

LOGGERS = ("", "trio-websocket", "hypercorn", "quart")
LINE = logging.makeLogRecord(
    {
        "name": "trio_stream.room",
        "levelno": logging.INFO,
        "levelname": "INFO",
        "msg": "%s: %s",
        "args": ("a peer", "two\nlines \u2028"),
        "created": 1_577_836_800.25,
    }
)


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Leaves the process's logging as it was."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(each, each.level) for each in loggers]
    yield
    for each, level in before:
        each.setLevel(level)


def written(monkeypatch: pytest.MonkeyPatch, at_terminal: bool) -> io.StringIO:
    """What a logger of its own writes, in place of standard error. Called in the test itself, as
    pytest has a logger's handlers and a standard error for each phase."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: at_terminal)
    monkeypatch.setattr(logging, "root", logging.Logger("root"))
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_record_is_one_line_of_json() -> None:
    text = JsonFormatter().format(LINE)
    assert text.isascii() and "\n" not in text
    assert json.loads(text) == {
        "time": "2020-01-01T00:00:00.250Z",
        "level": "INFO",
        "logger": "trio_stream.room",
        "message": "a peer: two\nlines \u2028",
    }


def test_a_traceback_is_a_member_of_it() -> None:
    try:
        raise ValueError("the cause")
    except ValueError:
        record = logging.makeLogRecord({"exc_info": sys.exc_info()})
    said = json.loads(JsonFormatter().format(record))
    assert said["traceback"].endswith("ValueError: the cause")


@pytest.mark.parametrize(
    ("form", "at_terminal", "is_json"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("human", False, False),
        ("json", True, True),
    ],
)
def test_people_read_terminals_and_programs_the_rest(
    monkeypatch: pytest.MonkeyPatch, form: str, at_terminal: bool, is_json: bool
) -> None:
    stream = written(monkeypatch, at_terminal)
    set_up(form)
    logging.root.handle(LINE)
    assert stream.getvalue().startswith("{") == is_json


def test_the_format_can_be_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = written(monkeypatch, False)
    set_up()
    set_up("human")
    logging.root.handle(LINE)
    assert " INFO trio_stream.room: a peer: two\n" in stream.getvalue()
    assert stream.getvalue().count("peer") == 1


@pytest.mark.parametrize(
    ("level", "library"), [("DEBUG", "WARNING"), ("ERROR", "ERROR")]
)
def test_libraries_never_say_more_than_warnings(level: str, library: str) -> None:
    set_level(level)
    assert logging.root.level == getattr(logging, level)
    assert logging.getLogger("hypercorn").level == getattr(logging, library)


@pytest.mark.parametrize(
    ("configured", "levels"),
    [("WARNING", ["DEBUG", "WARNING", "DEBUG"]), ("DEBUG", ["INFO", "DEBUG", "INFO"])],
)
def test_a_signal_switches_debug_on_and_off(
    configured: str, levels: list[str], tmp_path: Path
) -> None:
    set_level(configured)
    switch = LevelSwitch(configured, tmp_path)
    found = []
    for _ in levels:
        switch.switch()
        found.append(logging.getLevelName(logging.root.level))
    assert found == levels


def test_a_level_that_was_asked_for_is_set_and_the_file_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / WISH).write_text("error\n")
    LevelSwitch("INFO", tmp_path).switch()
    assert logging.root.level == logging.ERROR
    assert not (tmp_path / WISH).exists()
    assert caplog.messages == ["the log level is now error"]


@pytest.mark.parametrize("wish", [b"loud", b"\xff", b"x" * 1000])
def test_what_is_no_level_changes_nothing(
    wish: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_level("INFO")
    (tmp_path / WISH).write_bytes(wish)
    LevelSwitch("INFO", tmp_path).switch()
    assert logging.root.level == logging.INFO
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert max(map(len, caplog.messages)) < 300


async def test_each_signal_switches(tmp_path: Path) -> None:
    async def signals() -> AsyncIterator[int]:  # noqa: ASYNC124  # as trio gives them
        yield 10
        yield 10
        yield 10

    set_level("INFO")
    await LevelSwitch("INFO", tmp_path).follow(signals(), trio.CancelScope())
    assert logging.root.level == logging.DEBUG


def test_the_settings_know_the_same_formats() -> None:
    from trio_stream.config import values

    assert [values.log_format(form.upper()) for form in logs.FORMATS] == [*logs.FORMATS]


def test_handlers_of_others_keep_their_form(monkeypatch: pytest.MonkeyPatch) -> None:
    here = written(monkeypatch, at_terminal=False)
    elsewhere = io.StringIO()
    logging.root.addHandler(logging.StreamHandler(here))
    logging.root.addHandler(logging.StreamHandler(elsewhere))
    set_up("json")
    logging.root.warning("x")
    assert json.loads(here.getvalue())["message"] == "x"
    assert elsewhere.getvalue() == "x\n"
