"""Each form's text is what `json.dumps` writes of its members."""

from __future__ import annotations

import json

import pytest

from trio_stream.abci.messages import Time
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent, encode
from trio_stream.stream.messages import (
    block_text,
    event_text,
    refusal_text,
    time_text,
)
from trio_stream.stream.selection import Form

ID, ASSET, HASH = "0123456789abcdef" * 4, "ab" * 32, bytes(range(32))
TIME = "2026-01-02T03:04:05.123456789Z"
EVENT = CommitEvent(5, 3, ASSET, ID, HASH, "TRANSFER")


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (Time(1767323045, 123456789), TIME),
        (Time(0, 0), "1970-01-01T00:00:00.000000000Z"),
        (Time(-1, 500_000_000), "1969-12-31T23:59:59.500000000Z"),
        (Time(-62135596800, 0), "0001-01-01T00:00:00.000000000Z"),
        (Time(253402300799, 999999999), "9999-12-31T23:59:59.999999999Z"),
        (Time(-(2**63), 0), "0001-01-01T00:00:00.000000000Z"),
        (Time(2**63 - 1, 0), "9999-12-31T23:59:59.000000000Z"),
        (Time(0, 10**9), "1970-01-01T00:00:00.999999999Z"),
        (Time(0, -1), "1970-01-01T00:00:00.000000000Z"),
    ],
)
def test_a_time_is_written_to_the_nanosecond(time, text):
    assert time_text(time) == text


def test_the_plain_form_is_bigchaindbs():
    assert event_text(EVENT, Form.PLAIN) == encode(EVENT)


POSITION = {
    "height": 5,
    "asset_id": ASSET,
    "transaction_id": ID,
    "index": 3,
    "position": "5:3:01234567",
    "time": TIME,
    "tx_hash": HASH.hex().upper(),
}


def test_the_form_with_positions():
    text = event_text(EVENT, Form.POSITION, time=TIME)

    assert text == json.dumps(POSITION).encode()


@pytest.mark.parametrize(
    "raw",
    [
        '{"id": "x", "asset": {"data": null}}',
        '{ "id":"x",\n"asset":{}}',
        '{"text": "Ünïcode \U0001f600"}',
        '{"numbers": [1, -0.0, 1e300, 123456789012345678901234567890]}',
        '{"twice": 1, "twice": 2}',
    ],
)
def test_the_full_form_holds_the_value_that_was_committed(raw):
    text = event_text(EVENT, Form.FULL, time=TIME, raw=raw.encode())

    assert text == json.dumps({**POSITION, "transaction": json.loads(raw)}).encode()


BLOCK = CommittedBlock(
    5,
    "89" * 32,
    (EVENT, EVENT._replace(transaction_id=ASSET)),
    (),
    Time(1767323045, 123456789),
)


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_block_says_what_it_committed(events):
    block = BLOCK._replace(events=BLOCK.events[:events])

    message = {
        "height": 5,
        "hash": "89" * 32,
        "transaction_ids": [ID, ASSET][:events],
    }
    assert block_text(block, Form.PLAIN) == json.dumps(message).encode()
    more = {**message, "position": "5::89898989", "time": TIME}
    assert block_text(block, Form.POSITION) == json.dumps(more).encode()


@pytest.mark.parametrize(
    ("transaction_id", "fingerprint"), [(ID, "01234567"), (None, "00010203")]
)
def test_a_refusal_says_why(transaction_id, fingerprint):
    refusal = RefusalEvent(5, 3, transaction_id, HASH, "DoubleSpend", 'said "no"\n ü')

    message = {
        "height": 5,
        "index": 3,
        "transaction_id": transaction_id,
        "tx_hash": HASH.hex().upper(),
        "error": "DoubleSpend",
        "reason": 'said "no"\n ü',
    }
    assert refusal_text(refusal, Form.PLAIN) == json.dumps(message).encode()
    more = {**message, "position": f"5:3:{fingerprint}", "time": TIME}
    assert refusal_text(refusal, Form.POSITION, time=TIME) == json.dumps(more).encode()
