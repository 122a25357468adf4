"""Pages made of the log, of any selection, joined, are the frames of its messages one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.bench.long_log import frames as long_frames
from scripts.bench.long_log import write_long_log
from tests.rich_log import ASSETS, FIRST, KEYS, LAST, OPERATIONS, commit_all, messages
from trio_stream.log.file import FILE_NAME, open_for_reading
from trio_stream.log.replay import read_frame_pages, read_frames
from trio_stream.log.writer import CommitLog
from trio_stream.stream.frames import Frames, text_frame
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream

START, END = Position.end_of(0), Position.end_of(LAST)
WIDE = 1 << 30


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from((*values, "nobody's")), max_size=2)


transaction_selections = st.builds(
    Selection,
    form=st.sampled_from(Form),
    filters=st.builds(
        Filters,
        asset_id=some(ASSETS),
        public_key=some(KEYS),
        operation=some(OPERATIONS),
    ),
)
other_selections = st.builds(
    Selection,
    stream=st.sampled_from((Stream.VALID_BLOCKS, Stream.REFUSED_TRANSACTIONS)),
    form=st.sampled_from((Form.PLAIN, Form.POSITION)),
    empty_blocks=st.booleans(),
)
positions = st.builds(
    Position,
    st.integers(FIRST - 2, LAST + 3),
    st.sampled_from((0, 1, 2, 500, END.index - 1, END.index)),
)


def filtered(form: Form = Form.PLAIN, **values: Iterable[str]) -> Selection:
    return Selection(form=form, filters=Filters(**values))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """The whole rich log."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_all(log)
        connection = open_for_reading(log.path)
        yield connection
        connection.close()


def read_page(
    log: apsw.Connection,
    selection: Selection,
    after: Position = START,
    *,
    until: Position = END,
    max_bytes: int = WIDE,
    max_rows: int = WIDE,
) -> Frames:
    return read_frames(log, PageRequest(selection, after, until, max_bytes, max_rows))


def pages(
    log: apsw.Connection,
    selection: Selection,
    after: Position,
    until: Position,
    max_bytes: int = WIDE,
    max_rows: int = WIDE,
) -> Iterator[Frames]:
    """All pages from one position to the other."""
    while after < min(until, END):
        bounds = {"max_bytes": max_bytes, "max_rows": max_rows}
        page = read_page(log, selection, after, until=until, **bounds)
        assert page.start == after < page.end <= min(until, END)
        after = page.end
        yield page
    assert read_page(log, selection, after, until=until).data == b""


questions = given(
    selection=st.one_of(transaction_selections, other_selections),
    after=st.one_of(st.just(START), positions),
    until=st.one_of(st.just(END), positions),
    max_bytes=st.sampled_from((1, 200, 1_000, 20_000, 1 << 20)),
    max_rows=st.sampled_from((1, 2, 7, 100, 3_000)),
)


@pytest.mark.slow
@questions
@settings(max_examples=50)
def test_pages_of_any_bounds_are_the_frames_of_the_messages(
    log: apsw.Connection, **question: Any
) -> None:
    assert_pages_are_the_frames(log, **question)


@pytest.mark.slow
@questions
@settings(max_examples=500)
def test_so_they_are_at_length(log: apsw.Connection, **question: Any) -> None:
    assert_pages_are_the_frames(log, **question)


def assert_pages_are_the_frames(
    log: apsw.Connection,
    selection: Selection,
    after: Position,
    until: Position,
    max_bytes: int,
    max_rows: int,
) -> None:
    wanted = [each for each in messages(selection) if after < each[0] <= until]
    read = list(pages(log, selection, after, until, max_bytes, max_rows))

    frames = b"".join(page.data for page in read)
    assert frames == b"".join(text_frame(text) for _, text in wanted)
    ends = [end - begin for page in read for begin, end in pairwise([0, *page.ends])]
    assert ends == [len(text_frame(text)) for _, text in wanted]
    keys = [key for page in read for key in page.keys]
    assert keys == [position.key for position, _ in wanted]
    for page in read:
        assert len(page.data) <= max_bytes or len(page.ends) == 1
        assert all(Position.of_key(key) <= page.end for key in page.keys)


def test_pages_follow_each_other_until_no_more_is_taken(log: apsw.Connection) -> None:
    request = PageRequest(PLAIN, START, END, WIDE, 10)
    expected = [next_page := read_frames(log, request)]
    for _ in range(3):
        request = request.following(next_page)
        expected.append(next_page := read_frames(log, request))
    taken: list[Frames] = []

    def take(page: Frames) -> bool:
        taken.append(page)
        return len(taken) < 4

    read_frame_pages(log, PageRequest(PLAIN, START, END, WIDE, 10), take=take)

    assert [each.data for each in taken] == [each.data for each in expected]
    assert [each.end for each in taken] == [each.end for each in expected]


def test_there_are_lengths_of_all_sizes() -> None:
    def sizes(selection: Selection) -> set[int]:
        return {text_frame(text)[1] for _, text in messages(selection)}

    assert sizes(PLAIN) == {126}
    assert sizes(Selection(form=Form.FULL)) == {126, 127}
    of_blocks = sizes(Selection(Stream.VALID_BLOCKS, empty_blocks=True))
    assert of_blocks > {126, 127} and min(of_blocks) < 126


def test_nothing_is_on_a_page_beyond_the_tip_or_of_an_empty_log(
    log: apsw.Connection, tmp_path: Path
) -> None:
    ahead = Position.end_of(LAST + 5)
    for after in (END, ahead):
        page = read_page(log, PLAIN, after, until=ahead)
        assert (page.data, page.start, page.end) == (b"", after, after)
    read = list(pages(log, PLAIN, START, ahead))
    assert read[-1].end == END
    with CommitLog.open(tmp_path) as empty:
        connection = open_for_reading(empty.path)
        assert read_page(connection, PLAIN).end == START
        connection.close()


@pytest.mark.parametrize(
    "selection",
    [
        PLAIN,
        Selection(form=Form.POSITION),
        filtered(asset_id=[ASSETS[0], "nobody's"]),
        filtered(asset_id=ASSETS, public_key=KEYS[:3]),
        filtered(public_key=KEYS),
        filtered(operation=["TRANSFER"]),
        filtered(operation=["VOTE", "CHAIN_MIGRATION_ELECTION"]),
        filtered(Form.FULL, operation=["VOTE", "CREATE"]),
        Selection(Stream.REFUSED_TRANSACTIONS, Form.POSITION),
    ],
    ids=[
        "all",
        "positions",
        "an asset",
        "an asset and a key",
        "a key",
        "an operation",
        "rare operations",
        "full",
        "refused",
    ],
)
def test_a_page_costs_no_more_than_its_bounds_however_long_the_log(
    log: apsw.Connection, selection: Selection
) -> None:
    steps: list[int] = []
    scans: list[int] = []

    def count(trace: dict[str, Any]) -> None:
        status = trace["stmt_status"]
        steps.append(status["SQLITE_STMTSTATUS_VM_STEP"])
        scans.append(status["SQLITE_STMTSTATUS_SORT"])

    log.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)
    try:
        read_page(log, selection, Position(FIRST, 3), max_rows=20)
    finally:
        log.trace_v2(0, None)
    # Some tens of SQLite's instructions a row; all rows would be more than ten times as many.
    assert sum(steps) < 200 * 20
    assert not any(scans)


def test_a_long_log_made_for_measuring_reads_like_any_other(tmp_path: Path) -> None:
    write_long_log(tmp_path, 120, 3)
    connection = open_for_reading(tmp_path / FILE_NAME)
    read = list(pages(connection, PLAIN, START, Position.end_of(120), 3_000, 1_000))
    connection.close()
    expected = b"".join(long_frames(120, 3))
    assert b"".join(page.data for page in read) == expected
