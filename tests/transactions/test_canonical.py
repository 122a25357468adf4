from __future__ import annotations

import hashlib
import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import VECTORS
from trio_stream.transactions.canonical import MAX_TEXT_DEPTH, decode, load, serialize
from trio_stream.transactions.errors import MalformedTransaction, NestingTooDeep

RECORDED = json.loads((VECTORS / "canonical_json.json").read_text())

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda values: st.lists(values)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values),
    max_leaves=20,
)


@pytest.mark.parametrize("case", RECORDED)
def test_canonical_text_is_the_references(case: dict[str, Any]) -> None:
    text = serialize(case["value"])
    assert text == case["serialised"]
    assert text.encode().hex() == case["utf8_hex"]
    assert hashlib.sha3_256(text.encode()).hexdigest() == case["sha3_256"]


@given(JSON_VALUES)
def test_canonical_text_reads_back(value: object) -> None:
    assert load(serialize(value)) == value


@given(JSON_VALUES)
def test_any_text_of_a_value_gives_the_same_canonical_text(value: object) -> None:
    spelled = json.dumps(value, indent=1)
    assert serialize(decode(spelled.encode())) == serialize(value)


@pytest.mark.parametrize(
    "text, canonical",
    [
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ('{"a": 1, "b": 2, "a": 3}', '{"a":3,"b":2}'),
        (" \t\r\n[1] \n", "[1]"),
        ("[1, 1.0, 1e0, true]", "[1,1.0,1.0,true]"),
        ("[-0, -0.0, 1E5]", "[0,-0.0,100000.0]"),
        ("1e-400", "0.0"),
        (r'"\u001f\u000b\u007f\/"', '"\\u001F\\u000B\x7f/"'),
        ('"\u2028é😀"', '"\u2028é😀"'),
        (str(10**308), str(10**308)),
    ],
)
def test_spellings(text: str, canonical: str) -> None:
    assert serialize(load(text)) == canonical


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{}x",
        b"{",
        b"{'a': 1}",
        b'{"a": 01}',
        b'"\x01"',
        b"\xa0{}",
        "\u00a0{}".encode(),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\x00",
    ],
)
def test_what_is_not_one_json_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedTransaction):
        decode(raw)


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 311]
)
def test_a_number_that_is_not_finite_has_no_canonical_text(number: str) -> None:
    with pytest.raises(MalformedTransaction, match="not finite"):
        serialize(load(f'{{"a": {number}}}'))


@pytest.mark.parametrize("number", ["NaN", "1e400", "9" * 5_000, "-" + "9" * 5_000])
def test_a_number_that_is_replaced_by_a_duplicate_does_not_count(number: str) -> None:
    assert load(f'{{"a": {number}, "a": 1}}') == {"a": 1}


def test_a_lone_surrogate_has_no_canonical_text() -> None:
    assert load(r'{"\ud800": 1, "\ud800": 2}') == {"\ud800": 2}
    with pytest.raises(MalformedTransaction, match="surrogate"):
        serialize(load(r'["\ud800"]'))
    assert load(r'{"a": "\ud800", "a": ""}') == {"a": ""}


def test_huge_integers_are_not_converted() -> None:
    # Otherwise half a minute.
    assert load("1" * 3_000_000) == math.inf
    assert load("-" + "1" * 3_000_000) == -math.inf


@pytest.mark.parametrize("opening, closing", ["[]", ('{"a":', "}"), ('[{"[":', "}]")])
def test_nesting_is_bounded_on_the_text(opening: str, closing: str) -> None:
    levels = opening.replace('"["', "").count("[") + opening.count("{")
    most = MAX_TEXT_DEPTH // levels
    assert load(opening * most + "1" + closing * most)
    with pytest.raises(NestingTooDeep):
        load(opening * (most + 1) + "1" + closing * (most + 1))


def test_brackets_side_by_side_are_not_nested() -> None:
    assert load("[" + "[]," * 10_000 + "[[]]]")


def test_brackets_in_strings_are_not_nested() -> None:
    text = json.dumps(["[" * 1_000, '"' + "[" * 1_000 + '\\"', "\\", "[" * 1_000])
    assert load(text) == json.loads(text)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', '["\\"",'])
def test_unclosed_nesting_is_refused_before_anything_recursive_sees_it(
    opening: str,
) -> None:
    with pytest.raises(NestingTooDeep):
        load(opening * 200_000)


@given(st.text('[]{}",:\\a1 ', max_size=3_000))
def test_nesting_of_garbage_never_exhausts_the_stack(text: str) -> None:
    try:
        load(text * (1 + sys.getrecursionlimit() // 10))
    except (MalformedTransaction, NestingTooDeep):
        pass
