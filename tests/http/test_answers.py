"""The texts of the HTTP API."""

from __future__ import annotations

import json

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


def test_an_answer_says_when_to_come_again_if_that_helps() -> None:
    answer = answers.error(503, "busy")
    assert answer.more_headers == []
    assert answer._replace(retry_after=7).more_headers == [("retry-after", "7")]


def test_the_roots_name_the_same_paths() -> None:
    root = json.loads(answers.root("ws://node/streams"))
    assert (root["software"], root["version"]) == ("BigchainDB", "2.2.2")
    here = json.loads(answers.api_root("ws://node/streams"))
    assert here["streams"] == "ws://node/streams"
    assert here["assets"] == "/assets/"
    paths = {"assets", "blocks", "metadata", "outputs", "transactions", "validators"}
    assert root["api"]["v1"] == here | {name: f"/api/v1{here[name]}" for name in paths}


def test_an_origin_is_allowed_by_name_or_with_all_others() -> None:
    assert answers.cors(None) == [("Access-Control-Allow-Origin", "*")]
    assert answers.cors("http://a") == [
        ("Access-Control-Allow-Origin", "http://a"),
        ("Vary", "Origin"),
    ]


def test_the_first_misspelt_name_is_refused_and_unknown_ones_are_ignored() -> None:
    known = ["public_key", "spent"]
    assert answers.misspelt(["spent", "foo"], known) is None
    refusal = answers.misspelt(["foo", "spend", "publickey"], known)
    assert refusal == answers.framework_error(
        400, "Unknown arguments: spend. Did you mean spent?"
    )
