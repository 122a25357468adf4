from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import VECTORS
from tests.transactions.documents import (
    ALICE,
    BOB,
    element,
    key_of_bytes,
    nested_details,
)
from trio_stream.transactions import der
from trio_stream.transactions.conditions import (
    ED25519,
    MAX_COST,
    MAX_THRESHOLD_DEPTH,
    PREFIX,
    PREIMAGE,
    THRESHOLD,
    Condition,
    condition_of_details,
    read_condition,
    threshold_condition,
    threshold_cost,
    uri_of_details,
)
from trio_stream.transactions.errors import InvalidPublicKey, ThresholdTooDeep

RECORDED = json.loads((VECTORS / "conditions.json").read_text())["conditions"]


def _key(public: str) -> dict[str, Any]:
    return {"type": "ed25519-sha-256", "public_key": public}


def _threshold(threshold: int, *parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "threshold-sha-256",
        "threshold": threshold,
        "subconditions": list(parts),
    }


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["name"]))
def test_conditions_are_the_references(case: dict[str, Any]) -> None:
    condition = condition_of_details(case["details"])
    assert condition is not None
    assert condition.fingerprint.hex() == case["fingerprint_sha256_hex"]
    assert condition.cost == case["cost"]
    assert condition.uri == case["condition_uri"]
    assert condition.encode().hex() == case["condition_der_hex"]


@given(
    st.sampled_from([PREIMAGE, PREFIX, THRESHOLD, ED25519]),
    st.binary(min_size=32, max_size=32),
    st.integers(0, MAX_COST),
    st.integers(0, 31),
)
def test_a_condition_that_was_written_is_read(
    type_id: int, fingerprint: bytes, cost: int, types: int
) -> None:
    compound = type_id in (PREFIX, THRESHOLD)
    condition = Condition(type_id, fingerprint, cost, types if compound else 0)
    data = condition.encode()
    assert read_condition(data, der.read_element(data, 0, len(data))) == condition


def test_the_order_of_parts_does_not_matter() -> None:
    alice, bob = _key(ALICE.public), _key(BOB.public)
    one = condition_of_details(_threshold(1, alice, _threshold(2, bob, alice)))
    other = condition_of_details(_threshold(1, _threshold(2, alice, bob), alice))
    assert one == other


def test_a_threshold_above_its_parts_has_no_condition_at_any_depth() -> None:
    impossible = _threshold(2, _key(ALICE.public))
    assert condition_of_details(impossible) is None
    assert condition_of_details(_threshold(1, _key(BOB.public), impossible)) is None
    assert condition_of_details(_threshold(1)) is None


def test_a_key_has_32_bytes() -> None:
    for key in key_of_bytes(b"\x01" * 33), ALICE.public[:-1] + "0", "":
        with pytest.raises(InvalidPublicKey):
            condition_of_details(_threshold(1, _key(ALICE.public), _key(key)))


def test_white_space_after_a_key_does_not_count() -> None:
    spaced = condition_of_details(_key(f"{ALICE.public} \n"))
    assert spaced == condition_of_details(_key(ALICE.public))


def test_thresholds_nest_to_a_limit() -> None:
    assert condition_of_details(nested_details(MAX_THRESHOLD_DEPTH)) is not None
    with pytest.raises(ThresholdTooDeep) as caught:
        condition_of_details(nested_details(MAX_THRESHOLD_DEPTH + 1))
    assert str(caught.value) == ""


def test_wide_and_deep_conditions_take_linear_time() -> None:
    details = _key(ALICE.public)
    for _ in range(MAX_THRESHOLD_DEPTH):
        details = _threshold(2, details, _key(BOB.public), details)
        details["subconditions"].pop()
    assert condition_of_details(details) is not None


def test_a_part_must_state_its_cost() -> None:
    dear = Condition(PREFIX, bytes(32), MAX_COST + 1, 1 << ED25519)
    assert not dear.is_encodable
    assert threshold_condition(1, [dear]) is None
    assert threshold_cost(1, [dear]) == MAX_COST + 1 + 1_024


def test_a_threshold_of_none_has_a_cost_and_no_condition() -> None:
    parts = [Condition(ED25519, bytes(32), 5), Condition(ED25519, bytes(32), 7)]
    assert threshold_cost(0, parts) == 12 + 2 * 1_024
    assert threshold_condition(0, parts) is None


def test_types_of_parts_are_named_but_never_threshold_itself() -> None:
    inner = Condition(THRESHOLD, bytes(32), 1, 1 << ED25519 | 1 << PREFIX)
    outer = threshold_condition(1, [inner, Condition(PREIMAGE, bytes(32), 1)])
    assert outer is not None
    assert outer.uri.endswith(
        "&subtypes=ed25519-sha-256,prefix-sha-256,preimage-sha-256"
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (element(0x30, b""), "a condition was due"),
        (element(0xA5, b""), "a condition was due"),
        (
            element(0xA4, element(0x80, bytes(31)), element(0x81, b"\1")),
            "a condition out of bounds",
        ),
        (
            element(0xA4, element(0x80, bytes(32)), element(0x81, b"\xff")),
            "a condition out of bounds",
        ),
    ],
)
def test_what_is_no_condition_is_not_read(data: bytes, why: str) -> None:
    with pytest.raises(der.Unreadable, match=why):
        read_condition(data, der.read_element(data, 0, len(data)))


@pytest.mark.parametrize(
    "details",
    [
        *[case["details"] for case in RECORDED],
        _key(f"{ALICE.public} \n"),
        _key(ALICE.public + " " * 10_000),
        _threshold(2, _key(ALICE.public)),
        _threshold(1, _key(ALICE.public), _key(BOB.public)),
    ],
    ids=lambda details: details["type"],
)
def test_the_uri_of_details_is_that_of_their_condition(details: dict[str, Any]) -> None:
    condition = condition_of_details(details)
    for _ in range(2):
        uri = uri_of_details(details)
        assert uri == (None if condition is None else condition.uri)


@pytest.mark.parametrize("key", ["1" * 44, "z" * 44, "0" * 43, "z" * 1_000])
def test_the_uri_of_what_is_no_key_is_refused_each_time(key: str) -> None:
    for _ in range(2):
        with pytest.raises(InvalidPublicKey):
            uri_of_details(_key(key))
