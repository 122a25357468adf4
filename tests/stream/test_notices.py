from __future__ import annotations

import json

import pytest

from trio_stream.stream.notices import (
    Notice,
    notice_text,
    refused_text,
    stream_headers,
    subscribed_text,
)
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Beginning, Landmarks, Refused

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


def test_a_refusal_is_told_with_its_facts():
    refused = Refused(409, "other_history", "no", MARKS)

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
