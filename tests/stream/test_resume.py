from __future__ import annotations

import json

import pytest

from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.position import GivenPosition, Position
from trio_stream.stream.request import (
    Asked,
    BadRequest,
    FromHeight,
    NamedPlace,
    TransactionId,
)
from trio_stream.stream.resume import (
    Beginning,
    Found,
    Landmarks,
    ResumeRefused,
    begin,
    place_of,
    unreadable,
)
from trio_stream.stream.selection import PLAIN, Selection, Stream

ID, HASH, START_HASH = "01" * 32, "ab" * 32, "cd" * 32
END = Position.end_of
MARKS = Landmarks(
    chain="test", oldest=5, start_hash=START_HASH, tip=20, tip_hash="ef" * 32
)


def beginning(
    after: str | None,
    *,
    found: Found | None = None,
    marks: Landmarks = MARKS,
    stream: Stream = Stream.VALID_TRANSACTIONS,
    until: NamedPlace | int | None = None,
    notices: bool = False,
) -> Beginning:
    landmarks = Landmarks(
        chain=marks.chain,
        oldest=marks.oldest,
        start_hash=marks.start_hash,
        tip=marks.tip,
        tip_hash=marks.tip_hash,
        found=found,
    )
    place: object = NamedPlace.NOW
    if after is not None and after.startswith("from "):
        place = FromHeight(int(after[5:]))
    elif after is not None:
        place = NODE_READER.after(after)
    asked = Asked(
        selection=Selection(stream),
        after=place,  # type: ignore[arg-type]
        until=until,
        notices=notices,
    )
    refused = stream is Stream.REFUSED_TRANSACTIONS
    return begin(asked, landmarks, resume_ahead=10, finds_refused=refused)


TX = Found(Position(7, 3), ID)
BLOCK = Found(END(7), HASH)
NOTHING = Found(Position(7, 9), None)


@pytest.mark.parametrize(
    ("after", "found", "position", "text"),
    [
        (None, None, END(20), "20::efefefef"),
        ("earliest", None, END(4), "4::cdcdcdcd"),
        ("7:3:01010101", TX, Position(7, 3), "7:3:01010101"),
        ("7:3", TX, Position(7, 3), "7:3:01010101"),
        ("7::abababab", BLOCK, END(7), "7::abababab"),
        ("7", BLOCK, END(7), "7::abababab"),
        ("7:9", NOTHING, Position(7, 9), "7:9"),
        (ID, TX, Position(7, 3), "7:3:01010101"),
        ("from 8", BLOCK, END(7), "7::abababab"),
        ("from 21", Found(END(20), "ef" * 32), END(20), "20::efefefef"),
        ("from 5", None, END(4), "4::cdcdcdcd"),
        ("from 1", None, END(4), "4::cdcdcdcd"),
        ("from 0", None, END(4), "4::cdcdcdcd"),
        ("4", None, END(4), "4::cdcdcdcd"),
        ("4::cdcdcdcd", None, END(4), "4::cdcdcdcd"),
        ("4::", None, END(4), "4::cdcdcdcd"),
        ("0::", None, END(4), "4::cdcdcdcd"),
        ("0", None, END(4), "4::cdcdcdcd"),
        ("2:5", None, END(4), "4::cdcdcdcd"),
    ],
)
def test_where_a_stream_begins(after, found, position, text):
    start = beginning(after, found=found)

    assert (start.after, start.text, start.unproven) == (position, text, None)


@pytest.mark.parametrize(
    ("after", "position", "text", "unproven"),
    [
        ("30::abababab", END(30), "30::abababab", "abababab"),
        ("21:0:01010101", Position(21, 0), "21:0:01010101", "01010101"),
        ("30", END(30), "30", None),
        ("from 31", END(30), "30", None),
    ],
)
def test_a_client_may_be_ahead(after, position, text, unproven):
    start = beginning(after)

    assert (start.after, start.text, start.unproven) == (position, text, unproven)


@pytest.mark.parametrize(
    ("after", "found", "status", "error"),
    [
        ("7:3:02020202", TX, 409, "other_history"),
        ("7:9:01010101", NOTHING, 409, "other_history"),
        ("7::01010101", BLOCK, 409, "other_history"),
        ("7::", BLOCK, 409, "other_history"),
        ("4::01010101", None, 409, "other_history"),
        ("3::cdcdcdcd", None, 409, "other_history"),
        ("2:5:01010101", None, 409, "other_history"),
        ("31", None, 503, "ahead"),
        ("from 32", None, 503, "ahead"),
        ("999999999999999999", None, 503, "ahead"),
        (ID, None, 404, "unknown_transaction"),
        (ID, Found(Position(7, 3), ID, committed=False), 404, "unknown_transaction"),
    ],
)
def test_where_it_cannot_begin(after, found, status, error):
    with pytest.raises(ResumeRefused) as caught:
        beginning(after, found=found)

    refused = caught.value
    assert (refused.status, refused.error) == (status, error)
    assert refused.close_code == 4000 + status
    assert refused.retry_after == (10 if status == 503 else None)
    assert json.loads(refused.body()) == {
        "error": error,
        "message": str(refused),
        "status": status,
        "oldest": 5,
        "tip": 20,
        "chain": "test",
    }


def test_refusals_are_found_by_id_in_their_own_stream():
    found = Found(Position(7, 3), ID, committed=False)

    start = beginning(ID, found=found, stream=Stream.REFUSED_TRANSACTIONS)

    assert start.after == Position(7, 3)


def test_a_chain_without_hashes_has_positions_too():
    marks = Landmarks(tip=3)

    assert beginning(None, marks=marks).text == "3::"
    assert beginning("2::", marks=marks, found=Found(END(2), "")).text == "2::"
    assert beginning("earliest", marks=marks).text == "0::"


def test_before_the_first_block():
    marks = Landmarks()

    for after in (None, "earliest", "0", "0::", "from 1", "from 0"):
        start = beginning(after, marks=marks)
        assert (start.after, start.text) == (END(0), "0::")


@pytest.mark.parametrize(
    ("until", "end"),
    [(None, None), (NamedPlace.TIP, END(20)), (7, END(7)), (99, END(99))],
)
def test_where_it_ends(until, end):
    assert beginning("earliest", until=until).until == end


def test_a_refusal_knows_whether_notices_were_asked_for():
    with pytest.raises(ResumeRefused) as caught:
        beginning(ID, notices=True)
    assert caught.value.notices


def test_a_request_that_cannot_be_read_is_refused_with_the_same_facts():
    error = BadRequest("no")
    error.notices = True

    refused = unreadable(error, MARKS)

    assert (refused.status, refused.error, str(refused)) == (400, "bad_request", "no")
    assert refused.close_code == 4400
    assert refused.notices


@pytest.mark.parametrize(
    ("after", "place"),
    [
        (NamedPlace.NOW, None),
        (NamedPlace.EARLIEST, None),
        (TransactionId(ID), ID),
        (FromHeight(8), END(7)),
        (FromHeight(0), END(0)),
        (GivenPosition(Position(7, 3), None), Position(7, 3)),
    ],
)
def test_what_the_log_is_asked_about(after, place):
    assert place_of(after) == place


def test_the_plain_selection_is_the_default():
    assert Selection() == PLAIN
    assert not PLAIN.filters


def test_what_was_dropped_is_refused_with_what_is_left() -> None:
    cut = Landmarks(chain="test", oldest=5, start_hash=START_HASH, tip=20, is_cut=True)
    for given in (FromHeight(4), GivenPosition(Position(4, 7), None)):
        with pytest.raises(ResumeRefused) as refused:
            begin(Asked(selection=PLAIN, after=given), cut, resume_ahead=1)
        assert (refused.value.status, refused.value.error) == (410, "pruned")
        assert refused.value.members()["oldest"] == 5
        assert "the oldest block is 5" in str(refused.value)
    for kept in (
        FromHeight(5),
        NamedPlace.EARLIEST,
        NODE_READER.after(f"4::{START_HASH[:8]}"),
    ):
        found = begin(Asked(selection=PLAIN, after=kept), cut, resume_ahead=1)
        assert found.after == END(4)


@pytest.mark.parametrize(("after", "position"), [("9", END(9)), ("9:3", (9, 3))])
def test_what_is_missing_here_may_be_known_elsewhere(
    after: str, position: tuple[int, int]
) -> None:
    found = Found(Position(*position), None, is_missing=True)
    for given in (after, f"{after}{':' * (2 - after.count(':'))}deadbeef"):
        start = beginning(given, found=found)
        # A fingerprint would be refused where the block is known.
        assert (start.after, start.text) == (position, after)


def test_after_a_gap_the_tip_has_no_fingerprint() -> None:
    marks = Landmarks(chain="test", oldest=5, tip=20, tip_hash=None)
    assert beginning(None, marks=marks).text == "20"
