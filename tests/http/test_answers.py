"""The texts of the HTTP API."""

from __future__ import annotations

import pytest

from trio_stream.http import answers


def test_compact_is_sorted_without_blanks_and_in_ascii() -> None:
    value = {"b": [1, 2.5, None], "a": "é\U0001f600", "\ud800": True}
    assert answers.compact(value) == (
        b'{"a":"\\u00e9\\ud83d\\ude00","b":[1,2.5,null],"\\ud800":true}\n'
    )


def test_spaced_keeps_the_order_given() -> None:
    value = {"b": [1, 1e-07], "a": "é"}
    assert answers.spaced(value) == b'{"b": [1, 1e-07], "a": "\\u00e9"}\n'


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", {}),
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        (b"a=&b", {"a": [""], "b": [""]}),
        (b"a=%C3%A9+x&%62=%ff", {"a": ["é x"], "b": ["\ufffd"]}),
    ],
)
def test_parameters_have_every_value_in_order(
    query: bytes, found: dict[str, list[str]]
) -> None:
    assert answers.parameters(query) == found


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        (None, "x-a", []),
        ("BREW", "x-a", []),
        ("post", None, ["Access-Control-Allow-Methods"]),
        ("POST", "", ["Access-Control-Allow-Methods"]),
        (
            "POST",
            "x-a,,",
            ["Access-Control-Allow-Methods", "Access-Control-Allow-Headers"],
        ),
    ],
)
def test_a_preflight_without_a_known_method_allows_nothing_more(
    method: str | None, headers: str | None, allowed: list[str]
) -> None:
    assert [name for name, _ in answers.preflight(method, headers)] == allowed
