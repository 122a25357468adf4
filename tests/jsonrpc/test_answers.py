from __future__ import annotations

import json

from trio_stream.jsonrpc.answers import (
    METHOD_NOT_FOUND,
    Cancelled,
    Failure,
    Unreadable,
    cancelled,
    success,
)


def test_answers_are_those_of_the_engine() -> None:
    assert success("a") == b'{"jsonrpc":"2.0","id":"a","result":{}}'
    assert Failure("no").answer(5) == (
        b'{"jsonrpc":"2.0","id":5,"error":{"code":-32603,"message":"Internal error","data":"no"}}'
    )
    assert Failure(None, METHOD_NOT_FOUND, as_id=-1).answer(5) == (
        b'{"jsonrpc":"2.0","id":-1,"error":{"code":-32601,"message":"Method not found"}}'
    )
    error = {"code": -32700, "message": "Parse error. Invalid JSON"}
    error["data"] = "error unmarshaling request: EOF"
    answer = json.loads(Unreadable("EOF").answer(empty_id=False))
    assert answer == {"jsonrpc": "2.0", "error": error}
    assert json.loads(Unreadable("EOF").answer(empty_id=True))["id"] == ""


def test_who_is_cancelled_is_told_where_to_go_on() -> None:
    told = json.loads(cancelled(b'"x#event"', Cancelled("gap", "7")))
    assert told["id"] == "x#event"
    assert told["error"] == {
        "code": -32000,
        "message": "Server error",
        "data": "subscription was canceled (reason: gap)",
        "after": "7",
    }
