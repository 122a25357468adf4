"""Which texts can be read as a fulfillment, against the reference's recorded answers.

The recorded cases are those of a comparison with the reference's reader over tens of
thousands of made and mutated fulfillments that showed something, and one for every
oddity that is known.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transactions.documents import base64url, element
from trio_stream.transactions.errors import InvalidSignature
from trio_stream.transactions.fulfillment_text import (
    MAX_FULFILLMENT_DEPTH,
    read_fulfillment,
    write_fulfillment,
)

RECORDED = json.loads(
    Path(__file__).with_name("fulfillment_cases.json").read_text(encoding="utf-8")
)["cases"]
READABLE = [case for case in RECORDED if case["readable"]]
UNREADABLE = [case for case in RECORDED if not case["readable"]]
PREIMAGE = element(0xA0, element(0x80))


def _name(case: dict[str, Any]) -> str:
    return str(case["name"])


def _prefixes(count: int) -> bytes:
    data = PREIMAGE
    for _ in range(count):
        wrapped = element(0xA2, data)
        data = element(0xA1, element(0x80), element(0x81, b"\1"), wrapped)
    return data


@pytest.mark.parametrize("case", UNREADABLE, ids=_name)
def test_what_the_reference_cannot_read(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature, match="couldn't been parsed"):
        read_fulfillment(case["text"])


@pytest.mark.parametrize("case", READABLE, ids=_name)
def test_what_the_reference_reads(case: dict[str, Any]) -> None:
    fulfillment = read_fulfillment(case["text"])
    condition = fulfillment.condition()
    assert (condition and condition.uri) == case["uri"]
    written = write_fulfillment(fulfillment)
    good = fulfillment.validate(bytes.fromhex(case["message"]))
    assert (written is not None and good) == case["valid"]
    if case["valid"]:
        assert written == case["shown"]


@pytest.mark.parametrize("case", READABLE, ids=_name)
def test_what_is_written_is_read_as_the_same(case: dict[str, Any]) -> None:
    written = write_fulfillment(read_fulfillment(case["text"]))
    if written is not None:
        again = read_fulfillment(written)
        assert write_fulfillment(again) == written
        condition = again.condition()
        assert (condition and condition.uri) == case["uri"]


@given(st.text("ABCDEFabcdef0123-_", max_size=60))
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        read_fulfillment(text)
    except InvalidSignature:
        pass


@given(st.sampled_from(READABLE), st.integers(0, 10_000), st.binary(max_size=3))
def test_every_change_is_read_or_refused(
    case: dict[str, Any], place: int, insertion: bytes
) -> None:
    text = case["text"]
    place %= len(text)
    changed = text[:place] + base64url(insertion) + text[place + 1 :]
    try:
        fulfillment = read_fulfillment(changed)
    except InvalidSignature:
        return
    fulfillment.condition()
    fulfillment.cost()
    fulfillment.encode()
    fulfillment.validate(bytes(32))


def test_fulfillments_nest_to_a_limit() -> None:
    deepest = read_fulfillment(base64url(_prefixes(MAX_FULFILLMENT_DEPTH)))
    assert deepest.validate(bytes(32))
    assert write_fulfillment(deepest) == base64url(_prefixes(MAX_FULFILLMENT_DEPTH))
    with pytest.raises(InvalidSignature):
        read_fulfillment(base64url(_prefixes(MAX_FULFILLMENT_DEPTH + 1)))


def test_nested_thresholds_take_linear_time() -> None:
    data = PREIMAGE
    for _ in range(MAX_FULFILLMENT_DEPTH):
        data = element(0xA2, element(0xA0, data, PREIMAGE), element(0xA1))
    fulfillment = read_fulfillment(base64url(data))
    assert fulfillment.condition() is not None
    assert fulfillment.validate(bytes(32))
