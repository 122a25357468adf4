"""JSON as BigchainDB reads and writes it.

Every door reads JSON that may hold a transaction with `load`; the hash of the one
text that `serialize` makes is a transaction's id. Both are recursive inside, so
nesting is limited on the text, before anything recursive sees it.

Numbers: integers may have any size; a number with a fraction or an exponent is a
double. A number too large for a double reads as infinity, and `serialize` refuses
infinities, so a number that a later duplicate of its member replaces does no harm.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate

import rapidjson

from trio_stream.transactions.errors import MalformedTransaction, NestingTooDeep

MAX_TEXT_DEPTH = 490
"""Levels of arrays and objects in a text.

The reference handles 490 and fails somewhere before 495; where exactly depends on
the process.
"""

# The largest double has 309 digits, and there may be a sign. Longer texts are not
# converted: that takes quadratic time, and Python forbids it from 4,300 digits on.
_MAX_INTEGER_TEXT = 310

_BLANKS = " \t\n\r"
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - _STEP.keys())


def load(text: str) -> object:
    """The value of a JSON text.

    Raises MalformedTransaction or NestingTooDeep. A number that no double can hold
    is returned as an infinity, a lone surrogate as itself: `serialize` refuses both.
    """
    if _is_too_deep(text):
        raise NestingTooDeep(f"more than {MAX_TEXT_DEPTH} levels of JSON")
    # raw_decode leaves blanks to its caller; decode finds them with two regular
    # expressions, which takes a fifth of the time of a small transaction.
    stripped = text.strip(_BLANKS)
    try:
        value, end = _DECODER.raw_decode(stripped)
    except ValueError as error:
        # Without the library's text, which changes between its versions.
        raise MalformedTransaction("not a JSON value") from error
    if end < len(stripped):
        raise MalformedTransaction("more than one JSON value")
    # Named, because what the library returns has no type.
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
    # Without escapes, every other piece between quotes is outside of strings. In text
    # that is not JSON this is true up to where a parser gives up.
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

# Not the standard library's: it writes \u001f for what the reference writes as \u001F.
# This number mode refuses numbers that are not finite.
_ENCODER = rapidjson.Encoder(
    ensure_ascii=False, sort_keys=True, number_mode=rapidjson.NM_NONE
)
