"""JSON as BigchainDB reads and writes it.

`load` is how every door reads JSON that may hold a transaction, `serialize` is
the one text whose hash is a transaction's id. Both are recursive inside, so the
nesting is bounded on the text, before anything recursive sees it.

Numbers: integers have any size, what has a fraction or an exponent is a double.
What no double can hold reads as infinity, and `serialize` refuses infinities, so
a number that a later duplicate of its member replaces does no harm.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate

import rapidjson

from .errors import MalformedTransaction, NestingTooDeep

MAX_TEXT_DEPTH = 490
"""Levels of arrays and objects in a text.

The reference follows 490 and fails somewhere before 495; where exactly depends on
the process.
"""

# The largest double has 309 digits, and a sign may stand before them. Longer texts
# are not converted: that takes quadratic time, and Python forbids it from 4,300 on.
_MAX_INTEGER_TEXT = 310

_BLANKS = " \t\n\r"
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - _STEP.keys())


def load(text: str) -> object:
    """The value of a JSON text.

    Raises MalformedTransaction or NestingTooDeep. A number that no double can hold
    comes back as an infinity, a lone surrogate as itself: `serialize` refuses both.
    """
    if _is_too_deep(text):
        raise NestingTooDeep(f"more than {MAX_TEXT_DEPTH} levels of JSON")
    # raw_decode leaves blanks to its caller; decode looks for them with two regular
    # expressions, which costs as much as a fifth of a small transaction.
    stripped = text.strip(_BLANKS)
    try:
        value, end = _DECODER.raw_decode(stripped)
    except ValueError as error:
        # Without the library's words, which change with its versions.
        raise MalformedTransaction("not a JSON value") from error
    if end < len(stripped):
        raise MalformedTransaction("more than one JSON value")
    # A name, since the library's answer has no type.
    loaded: object = value
    return loaded


def decode(raw: bytes) -> object:
    """The value of a JSON text in UTF-8, errors as those of `load`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedTransaction("not UTF-8") from error
    return load(text)


def serialize(value: object) -> str:
    """The canonical text of a value: members sorted by code point, no blanks."""
    try:
        text: str = _ENCODER(value)  # type: ignore[assignment]  # no stream, no None
    except UnicodeEncodeError as error:
        raise MalformedTransaction("a string holds a lone surrogate") from error
    except ValueError as error:
        raise MalformedTransaction("a number is not finite") from error
    return text


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_TEXT_DEPTH:
        return False
    # Without escapes, every other piece between quotes is outside of strings. In
    # text that is no JSON this holds up to where a parser gives up.
    outside = "".join(_ESCAPE.sub("", text).split('"')[::2])
    brackets = outside.encode("ascii", "replace").translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > (
        MAX_TEXT_DEPTH
    )


def _integer(text: str) -> int | float:
    if len(text) > _MAX_INTEGER_TEXT:
        return float("-inf") if text[0] == "-" else float("inf")
    return int(text)


_DECODER = json.JSONDecoder(parse_int=_integer)

# Not the standard library's: it writes \u001f where the reference writes \u001F. The
# number mode is that which refuses what is not finite.
_ENCODER = rapidjson.Encoder(
    ensure_ascii=False, sort_keys=True, number_mode=rapidjson.NM_NONE
)
