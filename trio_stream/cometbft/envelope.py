"""A body to the results in it: JSON-RPC, one call or a batch, and all that is not JSON-RPC.

Python's own reader takes time in proportion to the body, whatever is in it; what it would choke on
(nesting beyond its stack, numbers of thousands of digits) is refused by name. Large bodies are read
in pieces (`gradual`), so that a thread which reads one does not hold all others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from trio_stream.cometbft.errors import (
    Malformed,
    NotJson,
    Refusal,
    TooLarge,
    Truncated,
    UnknownMethod,
)
from trio_stream.cometbft.gradual import loads
from trio_stream.cometbft.refusals import refusal

MAX_BODY = 256 * 2**20
"""No known block's results are larger; Osmosis' daily ones are tens of megabytes."""

MAX_VALUES = 24_000_000
"""Signs that begin or part values, in one body. Recorded bodies have one in 12 bytes or more, so
none of that size has as many, while each may be an object of a hundred bytes."""

PIECE = 2**20
"""Bytes that are looked through for these while other threads wait."""

MAX_TEXT = 1024
"""Characters of a node's error that are kept."""

SHOWN = 80
"""Bytes of a body that is no JSON that the error quotes."""

# Half of a character outside the basic plane, which JSON can say and UTF-8 cannot. Go's encoder
# never writes one, so it costs one search.
HALF = re.compile(rb"\\u[dD][89a-fA-F]")

MARGIN = 64
"""Calls that are on the stack already when a body is read: what nests too deeply is refused here,
and not where it is written, read again or sent, whatever called that."""

WORDS = ("true", "false", "null")
NUMBER_CUT = re.compile(r"-|\.|[eE][-+]?")
LONGEST_WORD = 12
"""Characters of the longest thing that can be cut and is no text: two escapes in a row."""


def answer(body: bytes, *, limit: int = MAX_BODY) -> object:
    """The result of the one call that was made; raises a Refusal or a BadBody."""
    return _result(_document(body, limit))


def answers(
    body: bytes, ids: Sequence[int], *, limit: int = MAX_BODY
) -> list[object | Refusal]:
    """The results of a batch, in the order of `ids`, which are the calls' own.

    A call that was refused has its Refusal there, so that the others are of use. Raises a Refusal
    if the whole batch was refused, and a BadBody.
    """
    document = _document(body, limit)
    if not isinstance(document, list):
        _result(document)
        raise Malformed("a batch was answered with one result")
    found: dict[int, object | Refusal] = {}
    for each in document:
        number = each.get("id") if isinstance(each, dict) else None
        if type(number) is not int or number not in ids or number in found:
            raise Malformed("an answer in the batch is nobody's")
        try:
            found[number] = _result(each)
        except Refusal as refused:
            found[number] = refused
    if len(found) < len(ids):
        raise Malformed("a call of the batch has no answer")
    return [found[number] for number in ids]


def _result(document: object) -> object:
    if not isinstance(document, dict):
        raise Malformed("the answer is no object")
    error = document.get("error")
    if error is None:
        if document.get("result") is None:
            raise Malformed("the answer has neither a result nor an error")
        return document["result"]
    if not isinstance(error, dict):
        raise Malformed("the error is no object")
    code = error.get("code")
    text = error.get("data") or error.get("message") or ""
    raise refusal(str(text)[:MAX_TEXT], code if type(code) is int else 0)


def _document(body: bytes, limit: int) -> object:
    if len(body) > limit:
        raise TooLarge(f"the body has {len(body)} bytes, of at most {limit}")
    if len(body) > MAX_VALUES and _values(body) > MAX_VALUES:
        raise TooLarge(f"the body has more than {MAX_VALUES} values")
    start = start_of(body)
    if not start:
        raise Truncated("the body is empty")
    if start[:1] not in b"{[":
        # How a node says that it has no such method, where the method is the path.
        if start.startswith(b"404 page not found"):
            raise UnknownMethod("404 page not found")
        raise NotJson(f"the body begins with {start!r}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise Truncated("the body ends in the middle of a character") from error
        raise NotJson("the body is not UTF-8") from error
    try:
        document = _loads(text, MARGIN)
        if HALF.search(body):
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        if _ends_early(text, error):
            raise Truncated(f"the body ends after {len(body)} bytes") from error
        raise NotJson(f"the body is no JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Malformed("a number, a text or the nesting is beyond limits") from error
    return document


def start_of(body: bytes) -> bytes:
    """The first bytes of a body, without blanks; to look at them nothing large is copied."""
    return body[:SHOWN].lstrip()


def _values(body: bytes) -> int:
    """How many values there may be in a body: its texts have some of these signs too."""
    return sum(
        body.count(sign, at, at + PIECE)
        for at in range(0, len(body), PIECE)
        for sign in (b",", b"[", b"{")
    )


def _loads(text: str, margin: int) -> object:
    if not margin:
        return loads(text)
    # From 3.12 on Python counts what nests in C by itself; a call from C counts in all releases.
    return next(map(_loads, (text,), (margin - 1,)))


def _ends_early(text: str, error: json.JSONDecodeError) -> bool:
    """Whether more bytes could have made it right: what is wrong is then at the very end."""
    if error.msg.startswith("Unterminated string"):
        return True
    rest = text[error.pos : error.pos + LONGEST_WORD].strip()
    if error.pos + LONGEST_WORD < len(text):
        return False
    if error.msg.startswith("Invalid \\"):
        return True
    return NUMBER_CUT.fullmatch(rest) is not None or any(
        word.startswith(rest) for word in WORDS
    )
