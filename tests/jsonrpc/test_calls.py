from __future__ import annotations

import json

import pytest

from trio_stream.jsonrpc.answers import Failure, Unreadable
from trio_stream.jsonrpc.calls import (
    MOST_DIGITS,
    MOST_VALUES,
    Call,
    Subscribe,
    check_no_params,
    read_call,
    read_json,
    read_subscribe,
)


@pytest.mark.parametrize(
    ("message", "call"),
    [
        ('{"jsonrpc":"2.0","id":1,"method":"health"}', Call(1, "health")),
        (' \n{"id":"","method":"a","params":[]} {', Call("", "a", [], True)),
        ('{"ID":-1,"Method":"a","PARAMS":null}x', Call(-1, "a", None, True)),
        ('{"id":1e3}', Call(1000, "")),
        ('{"id":1,"id":2,"method":null}', Call(2, "")),
        ("null", None),
        ("{}", None),
        ('{"method":"a"}', None),
        ('{"method":"a","id":null}', None),
    ],
)
def test_calls(message: str, call: Call | None) -> None:
    assert read_call(message) == call


def test_early_releases_answer_all_but_an_empty_id() -> None:
    assert read_call('{"method":"a"}', answers_all=True) == Call(None, "a")
    assert read_call('{"method":"a","id":""}', answers_all=True) is None


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("", "EOF"),
        ("  ", "EOF"),
        ('{"a":', "unexpected EOF"),
        ('{"a', "unexpected EOF"),
        ("{'a'}", "invalid JSON at 1"),
        ("nonsense", "invalid JSON at 0"),
        ("NaN", "beyond limits"),
        ('{"id":' + "9" * 5000 + "}", "beyond limits"),
        ('{"id":' + "9" * (MOST_DIGITS + 1) + "}", "beyond limits"),
        ("[" * 100_000, "nesting is beyond limits|more than 20000 values"),
        ("[" * 15_000, "nesting is beyond limits"),
        ("[" + "[]," * MOST_VALUES + "1]", "more than 20000 values"),
        ('{"a":' + '{"a":1},' * MOST_VALUES, "more than 20000 values"),
        ("[]", "cannot unmarshal array"),
        ("5", "cannot unmarshal number"),
        ('"x"', "cannot unmarshal string"),
        ("true", "cannot unmarshal bool"),
        ('{"jsonrpc":2}', "number into Go struct field .jsonrpc of type string"),
        ('{"method":false}', "bool into Go struct field .method of type string"),
        ('{"id":true}', r"json-rpc ID \(True\) is of unknown type \(bool\)"),
        ('{"id":{}}', "unknown type"),
        ('{"id":[]}', "unknown type"),
        ('{"id":1.5}', "json-rpc ID must be a whole number, got 1.5"),
        ('{"id":9223372036854775808}', "out of int64 range"),
        ('{"id":1e300}', "out of int64 range"),
        ('{"id":1e999}', "whole number, got inf"),
    ],
)
def test_what_is_no_call(message: str, text: str) -> None:
    with pytest.raises(Unreadable, match=text):
        read_call(message)


def test_a_large_call_with_few_values() -> None:
    text = "," * 1000 + "x" * 900_000
    call = read_call(json.dumps({"id": 1, "method": "a", "params": [text]}))
    assert call is not None and call.params == [text]
    assert read_call('{"id":' + " " * MOST_VALUES + "1}") == Call(1, "")


def test_a_call_is_written_in_one_way() -> None:
    text = '{"Method":"a","id":7,"x":1,"params":{"b":"\\ud800"}}'
    call = read_call(text)
    assert call is not None
    assert json.loads(call.encode()) == {
        "jsonrpc": "2.0", "id": 7, "method": "a", "params": {"b": "\ud800"},
    }  # fmt: skip
    assert call._replace(has_params=False).encode() == (
        b'{"jsonrpc":"2.0","id":7,"method":"a"}'
    )


def called(params: object) -> Call:
    return Call(1, "subscribe", params, True)


def test_what_is_subscribed_to() -> None:
    assert read_subscribe(called(["q"])) == Subscribe("q")
    assert read_subscribe(called({"query": "q", "other": 1})) == Subscribe("q")
    assert read_subscribe(called({"query": "q", "after": 5})) == Subscribe("q", "5")
    assert read_subscribe(called({"query": "q", "after": "a"})) == Subscribe("q", "a")
    assert read_subscribe(called({"after": ""})) == Subscribe("")
    assert read_subscribe(called(None)) == Subscribe("")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ([], "expected 1 parameters"),
        (["a", "b"], "got 2"),
        ("a", "cannot unmarshal string into .*Expected map or array"),
        ({"query": 5}, "json: cannot unmarshal number into Go value of type string"),
        ({"query": "", "after": True}, "cannot unmarshal bool"),
    ],
)
def test_what_cannot_be_subscribed_to(params: object, text: str) -> None:
    begin = "error converting json params to arguments: "
    with pytest.raises(Failure, match=f"{begin}.*{text}"):
        read_subscribe(called(params))


def test_missing_parameters_are_answered_as_the_engine_does_it() -> None:
    with pytest.raises(Failure, match="too few input arguments") as caught:
        read_subscribe(Call(1, "subscribe"))
    assert b'"id":-1' in caught.value.answer(1)
    with pytest.raises(Failure) as caught:
        read_subscribe(Call(1, "subscribe"), is_early=True)
    assert b'"id":"unknown"' in caught.value.answer(1)


def test_what_takes_no_parameters() -> None:
    for call in (Call(1, "a"), called([]), called({"a": 1}), called(None)):
        check_no_params(call)
    with pytest.raises(Failure, match="expected 0 parameters"):
        check_no_params(called([1]))
    with pytest.raises(Failure, match="Expected map or array"):
        check_no_params(called(5))


def test_the_first_value_is_read() -> None:
    assert read_json('{"a":1}{"b":2}') == {"a": 1}
