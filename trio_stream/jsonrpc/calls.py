"""A message to the call in it, read as the engine reads it from a WebSocket.

What follows the first value of a message is ignored, names of members may be in upper case, an id
is a text or a whole number, and what has no id wants no answer. A list of calls is no call there.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple, NoReturn

from trio_stream.jsonrpc.answers import (
    EARLY_PANICKED,
    PANICKED,
    Failure,
    Id,
    Unreadable,
    dumps,
)

MOST_VALUES: Final = 20_000
"""Signs that begin or part values, in one message: to read a megabyte of them takes 50 ms, and
these milliseconds nobody else has. A batch of calls has some dozen, a transaction none."""

MOST_DIGITS: Final = 320
"""Of a whole number; none in any parameter has more than twenty."""

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_LARGEST: Final = 2**63

_KINDS: Final = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
}
"""How Go names what JSON has."""


class Call(NamedTuple):
    """One call."""

    id: Id
    method: str
    params: Any = None
    has_params: bool = False

    def encode(self) -> bytes:
        """The call in its usual form."""
        given = {"params": self.params} if self.has_params else {}
        return dumps({"jsonrpc": "2.0", "id": self.id, "method": self.method, **given})


class Subscribe(NamedTuple):
    """What `subscribe` is asked for."""

    query: str
    after: str | None = None
    """Where it resumes, which the engine does not know."""


def read_call(message: str, *, answers_all: bool = False) -> Call | None:
    """The call in a message; None if it wants no answer. Raises Unreadable.

    With `answers_all`, what has no id is answered and an empty id is none, as up to 0.32.
    """
    value = read_json(message)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Unreadable(
            f"json: cannot unmarshal {_KINDS[type(value)]} into Go value of type a call"
        )
    found = {name.lower(): each for name, each in value.items()}
    for name in ("jsonrpc", "method"):
        if not isinstance(found.get(name) or "", str) or found.get(name) is False:
            kind = _KINDS[type(found[name])]
            raise Unreadable(
                f"json: cannot unmarshal {kind} into Go struct field .{name} of type string"
            )
    id = _id(found.get("id"))
    if id == "" if answers_all else id is None:
        return None
    return Call(id, found.get("method") or "", found.get("params"), "params" in found)


def read_json(text: str) -> Any:
    """The first value in a text; raises Unreadable."""
    start = _BLANKS.match(text)
    assert start is not None  # it matches anything
    if start.end() == len(text):
        raise Unreadable("EOF")
    if len(text) > MOST_VALUES and sum(map(text.count, ",[{")) > MOST_VALUES:
        raise Unreadable(f"more than {MOST_VALUES} values")
    try:
        value, _ = _DECODER.raw_decode(text, start.end())
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or error.msg.startswith("Unterminated"):
            raise Unreadable("unexpected EOF") from None
        raise Unreadable(f"invalid JSON at {error.pos}: {error.msg}") from None
    except (ValueError, RecursionError):
        raise Unreadable("a number or the nesting is beyond limits") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _whole_number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        # To read it, and to write it again, takes time in proportion to their square.
        raise ValueError(text)
    return int(text)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_int=_whole_number)


def read_subscribe(call: Call, *, is_early: bool = False) -> Subscribe:
    """What a `subscribe` or `unsubscribe` asks for; raises Failure.

    `is_early` says that the engine is of 0.32 or before.
    """
    params = call.params
    if not call.has_params:
        text = "WSJSONRPC: reflect: Call with too few input arguments"
        raise Failure(text, as_id=EARLY_PANICKED if is_early else PANICKED)
    if isinstance(params, list):
        if len(params) != 1:
            raise _failure(f"expected 1 parameters ([query]), got {len(params)}")
        return Subscribe(_text(params[0]))
    if params is None:
        params = {}
    _need_object(params)
    after = params.get("after")
    # A height may be a number.
    is_height = type(after) is int
    return Subscribe(
        _text(params.get("query")),
        str(after) if is_height else _text(after) or None,
    )


def check_no_params(call: Call) -> None:
    """Raise Failure for what `unsubscribe_all` does not take."""
    if isinstance(call.params, list):
        if call.params:
            raise _failure(f"expected 0 parameters ([]), got {len(call.params)}")
    elif call.params is not None:
        _need_object(call.params)


def _need_object(params: Any) -> None:
    if not isinstance(params, dict):
        raise _failure(
            f"unknown type for JSON params: json: cannot unmarshal {_KINDS[type(params)]}"
            " into Go value of type []json.RawMessage. Expected map or array"
        )


def _failure(text: str) -> Failure:
    return Failure(f"error converting json params to arguments: {text}")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        kind = _KINDS[type(value)]
        raise _failure(f"json: cannot unmarshal {kind} into Go value of type string")
    return value


def _id(value: Any) -> Id:
    """The id as it is given back; the engine's newest release refuses what others change."""
    if isinstance(value, bool) or isinstance(value, (dict, list)):
        kind = _KINDS[type(value)]
        raise Unreadable(f"json-rpc ID ({value!r:.80}) is of unknown type ({kind})")
    if isinstance(value, float):
        if not value.is_integer():
            raise Unreadable(f"json-rpc ID must be a whole number, got {value}")
        value = int(value)
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise Unreadable("json-rpc ID out of int64 range")
    assert value is None or isinstance(value, (str, int))
    return value
