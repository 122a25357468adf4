from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cometbft.recordings import ALL, body, recording
from trio_stream.cometbft.gradual import SMALL, loads, piecewise

TEXTS = st.text(max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXTS
    | st.floats(width=16, allow_infinity=False, allow_nan=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
LEVELS = st.integers(0, 4)


@given(VALUES, st.sampled_from([None, 0, 1, "\t"]), LEVELS)
def test_it_reads_what_json_reads(value: Any, indent: Any, levels: int) -> None:
    text = f" {json.dumps(value, indent=indent)}\n"
    assert piecewise(text, levels) == json.loads(text)


@pytest.mark.parametrize("text", ["NaN", "[1, Infinity]", '{"a": -Infinity}'])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        loads(text)


PIECES = st.sampled_from(
    ["{", "}", "[", "]", ",", ":", '"a"', '"', "1", "-", "true", " ", "\\", "x"]
)


@given(st.lists(PIECES, max_size=10).map("".join), LEVELS)
def test_it_refuses_what_json_refuses(text: str, levels: int) -> None:
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(json.JSONDecodeError):
            piecewise(text, levels)
    else:
        assert piecewise(text, levels) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{1:2}",
        "{a",
        '{"a" 1}',
        '{"a":1,}',
        '{"a":1',
        "[1 2]",
        "[1,]",
        "[1",
        "1 1",
        "[] x",
    ],
)
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        piecewise(text)


@pytest.mark.parametrize("name", ALL)
def test_recorded_bodies(name: str) -> None:
    for path in recording(name)["bodies"]:
        text = body(name, path).decode()
        if not text.startswith("404"):
            assert piecewise(text) == json.loads(text)


def test_large_and_small_texts() -> None:
    for length in (1, SMALL):
        text = json.dumps(["x" * length, {"a": [1, 2]}])
        assert loads(text) == json.loads(text)


def test_nesting_beyond_the_stack() -> None:
    with pytest.raises(RecursionError):
        piecewise("[" * 200_000)
