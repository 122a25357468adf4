"""Frames made by SQLite are those of the messages; all selections of them are in test_replay."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from tests.rich_log import LAST, commit_all, messages
from trio_stream.log.file import open_for_reading
from trio_stream.log.joins import Joiner
from trio_stream.log.matches import Span, stretch
from trio_stream.log.writer import CommitLog
from trio_stream.stream.frames import text_frame
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form, Selection

FORMS = [Form.PLAIN, Form.POSITION]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """The whole rich log."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_all(log)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


@pytest.mark.parametrize("form", FORMS)
def test_frames_ends_and_keys(log: apsw.Connection, form: Form) -> None:
    for digits in (1, 2, 3):
        first, last = 10 ** (digits - 1), min(10**digits - 1, LAST)
        after, until = Position.end_of(first - 1), Position.end_of(last)
        if after >= until:
            continue
        joiner = Joiner(form, first)
        wanted = [
            (position.key, text_frame(text))
            for position, text in messages(Selection(form=form))
            if after < position <= until
        ]
        span = Span(after.key, until.key)
        source = stretch("transactions", span, 1 << 20, columns=joiner.columns)
        joined = joiner.join(log, source)

        assert joined.frames == b"".join(frame for _, frame in wanted)
        assert list(joined.keys) == [key for key, _ in wanted]
        assert list(joined.keys[:2]) == [key for key, _ in wanted[:2]]
        begins = [0, *joined.ends][:-1]
        sizes = [e - b for b, e in zip(begins, joined.ends, strict=True)]
        assert sizes == [len(frame) for _, frame in wanted]
        assert max(sizes, default=0) <= joiner.frame_bytes


@pytest.mark.parametrize("form", FORMS)
def test_of_no_rows_there_are_no_frames(log: apsw.Connection, form: Form) -> None:
    joiner = Joiner(form, 1)
    source = stretch("transactions", Span(0, 0), 10, columns=joiner.columns)
    joined = joiner.join(log, source)
    assert (joined.frames, len(joined.ends), len(joined.keys)) == (b"", 0, 0)
