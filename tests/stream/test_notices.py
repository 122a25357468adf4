from __future__ import annotations

import json

import pytest

from trio_stream.stream.notices import (
    CHECKPOINT_BLOCKS,
    CHECKPOINT_SECONDS,
    Notice,
    Telling,
    notice_text,
    refused_text,
    stream_headers,
    subscribed_text,
)
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Beginning, Landmarks, ResumeRefused

MARKS = Landmarks(chain="chain-a", oldest=1, tip=20)
BEGINNING = Beginning(
    after=Position(7, 3),
    text="7:3:01010101",
    until=None,
    unproven=None,
    landmarks=MARKS,
)


@pytest.mark.parametrize("notice", Notice)
def test_a_notice_says_where_the_client_stands(notice):
    text = notice_text(notice, position="7:3:01010101", chain="chain-a")

    message = {"notice": notice.value, "position": "7:3:01010101", "chain": "chain-a"}
    assert text == json.dumps(message).encode()


def test_the_first_notice_says_what_the_headers_say():
    assert json.loads(subscribed_text(BEGINNING)) == {
        "notice": "subscribed",
        "position": "7:3:01010101",
        "oldest": 1,
        "tip": 20,
        "chain": "chain-a",
    }
    assert stream_headers(BEGINNING.text, MARKS) == [
        ("Stream-Position", "7:3:01010101"),
        ("Stream-Oldest", "1"),
        ("Stream-Tip", "20"),
        ("Stream-Chain", "chain-a"),
    ]


def test_a_refusal_notice_gives_its_details():
    refused = ResumeRefused(409, "other_history", "no", MARKS)

    message = json.loads(refused_text(refused))

    assert message == {"notice": "refused", **json.loads(refused.body())}


def test_no_notice_looks_like_an_event():
    texts = [notice_text(n, position="1::", chain="transaction_i") for n in Notice]
    texts += [subscribed_text(BEGINNING)]
    assert not any(b"transaction_id" in text for text in texts)


@pytest.mark.parametrize(
    ("chain", "value"),
    [("test-chain-x", "test-chain-x"), ("a\r\nb", "a\\r\\nb"), ("ü", "\\u00fc")],
)
def test_any_chain_id_fits_a_header(chain, value):
    headers = dict(stream_headers("1::", Landmarks(chain=chain)))
    assert headers["Stream-Chain"] == value


def due(telling, height, *, live=True, at_tip=False, now=0.0):
    end = Position.end_of(height)
    return telling.due(end, live=live, at_tip=at_tip, now=now)


def test_notices_of_catching_up_and_falling_behind_alternate():
    telling = Telling(Position.end_of(0), now=0)

    told = [
        due(telling, 1, live=False),
        due(telling, 2),
        due(telling, 3, at_tip=True),
        due(telling, 3, at_tip=True),
        due(telling, 3),
        due(telling, 3, live=False),
        due(telling, 4, live=False),
        due(telling, 5, at_tip=True),
    ]

    caught, fell = Notice.CAUGHT_UP, Notice.FELL_BEHIND
    assert told == [None, None, caught, None, None, fell, None, caught]


def test_a_checkpoint_is_due_after_so_many_seconds_if_there_is_a_step():
    telling = Telling(Position.end_of(1), now=100)

    assert due(telling, 2, now=100 + CHECKPOINT_SECONDS - 0.1) is None
    assert due(telling, 1, now=200) is None
    assert due(telling, 2, now=100 + CHECKPOINT_SECONDS) is Notice.CHECKPOINT
    telling.sent(Position.end_of(2), now=200)
    assert due(telling, 3, now=200 + CHECKPOINT_SECONDS - 0.1) is None


def test_a_checkpoint_is_due_after_so_many_blocks():
    telling = Telling(Position.end_of(1), now=0)

    assert due(telling, CHECKPOINT_BLOCKS) is None
    assert due(telling, 1 + CHECKPOINT_BLOCKS) is Notice.CHECKPOINT
    telling.sent(Position.end_of(5_000), now=0)
    assert due(telling, 1 + CHECKPOINT_BLOCKS) is None
