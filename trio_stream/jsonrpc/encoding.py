"""JSON in pieces, for values whose text is megabytes.

`json.dumps` keeps the interpreter for as long as it takes. So a large value is taken apart, and
each call makes a small part of the text; other threads get their turn in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trio_stream.jsonrpc.answers import dumps

SMALL: Final = 32
"""Parts of a list or members of an object that are one piece, if it is deep enough."""

DEEP: Final = 8
"""Down to here, everything is taken apart: `data`, its `value`, `result_finalize_block`,
`tx_results`, one of them, its `events`, one of them."""


def encoded(value: object, *, is_large: bool) -> bytes:
    """The JSON of a value, without blanks; in pieces if it is large."""
    return b"".join(pieces(value)) if is_large else dumps(value)


def pieces(value: Any, depth: int = 0) -> Iterator[bytes]:
    """The JSON of a value in parts, each quickly made."""
    if isinstance(value, dict) and _is_taken_apart(value, depth):
        mark = b"{"
        for name, each in value.items():
            yield b"%b%b:" % (mark, dumps(name))
            yield from pieces(each, depth + 1)
            mark = b","
        yield b"}"
    elif isinstance(value, list) and _is_taken_apart(value, depth):
        mark = b"["
        for each in value:
            yield mark
            yield from pieces(each, depth + 1)
            mark = b","
        yield b"]"
    else:
        yield dumps(value)


def _is_taken_apart(value: Any, depth: int) -> bool:
    return bool(value) and (depth < DEEP or len(value) > SMALL)
