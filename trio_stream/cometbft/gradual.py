"""JSON read a piece at a time, so that other threads get their turn meanwhile.

Python's reader is one call that keeps the interpreter to itself: a body of ten megabytes would hold
the event loop for a tenth of a second from whatever thread it is read in. Here the outer levels are
taken apart in Python, and the reader is called for what is within them: an event or a transaction
at a time, however large the block.
"""

from __future__ import annotations

import json
import math
import re
from json import JSONDecodeError

LEVELS = 6
"""Containers within each other that are taken apart here: a batch, an answer, its result, the
results of transactions, one of them, its events."""

SMALL = 2**20
"""Characters that are read at once: in ten milliseconds, less than half of what pieces take."""

BLANKS = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> object:
    # NaN and the infinities are Python's own; no JSON has them.
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        # It would be written as Infinity.
        raise ValueError("a number is beyond limits")
    return number


DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def loads(text: str) -> object:
    """What `json.loads` says of `text`; raises JSONDecodeError, ValueError or RecursionError."""
    if len(text) <= SMALL:
        return DECODER.decode(text)
    return piecewise(text)


def piecewise(text: str, levels: int = LEVELS) -> object:
    """The same, with so many outer levels taken apart."""
    value, end = _value(text, _blanks(text, 0), levels)
    end = _blanks(text, end)
    if end < len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def _value(text: str, at: int, levels: int) -> tuple[object, int]:
    first = text[at : at + 1] if levels else ""
    if first == "[":
        return _array(text, at, levels - 1)
    if first == "{":
        return _object(text, at, levels - 1)
    return DECODER.raw_decode(text, at)


def _array(text: str, at: int, levels: int) -> tuple[list[object], int]:
    found: list[object] = []
    at = _blanks(text, at + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, at = _value(text, at, levels)
        found.append(value)
        at = _blanks(text, at)
        if text[at : at + 1] == "]":
            return found, at + 1
        at = _past(text, at, ",")


def _object(text: str, at: int, levels: int) -> tuple[dict[str, object], int]:
    found: dict[str, object] = {}
    at = _blanks(text, at + 1)
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise JSONDecodeError("Expecting property name in double quotes", text, at)
        name, at = DECODER.raw_decode(text, at)
        at = _past(text, _blanks(text, at), ":")
        found[name], at = _value(text, at, levels)
        at = _blanks(text, at)
        if text[at : at + 1] == "}":
            return found, at + 1
        at = _past(text, at, ",")


def _past(text: str, at: int, sign: str) -> int:
    """Behind that sign and the blanks after it."""
    if text[at : at + 1] != sign:
        raise JSONDecodeError(f"Expecting {sign!r} delimiter", text, at)
    return _blanks(text, at + 1)


def _blanks(text: str, at: int) -> int:
    found = BLANKS.match(text, at)
    assert found is not None
    return found.end()
