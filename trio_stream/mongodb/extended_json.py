"""Extended JSON, as mongoexport writes it: documents one after the other, or as one array.

Integers of 64 bits are `{"$numberLong": "5"}` in its first version and in the canonical form of the
second, which writes the other numbers so, too; what JSON can write is left as it is otherwise.
Types that JSON does not have become `Foreign`. Texts are read in pieces, so the size of a file does
not matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from trio_stream.mongodb.values import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    BadDump,
    Document,
    Foreign,
)

PIECE: Final = 1 << 20
"""Characters that are read at once, at least."""
MAX_TEXT: Final = 8 * MAX_DOCUMENT
"""Characters of one document. Eight bytes of a number may take fifty, other values fewer."""

_BETWEEN: Final = re.compile(r"[\s,]*")
_NUMBERS: Final[dict[str, Callable[[str], object]]] = {
    "$numberInt": int,
    "$numberLong": int,
    "$numberDouble": float,
}
_FOREIGN: Final = {
    "$oid": "ObjectId",
    "$date": "date",
    "$timestamp": "timestamp",
    "$binary": "binary",
    "$numberDecimal": "decimal",
}


def documents(read: Callable[[int], str]) -> Iterator[Document]:
    """The documents of a file; `read` returns that many characters, or fewer at its end."""
    text = read(PIECE).removeprefix("\ufeff").lstrip()
    is_array = text.startswith("[")
    at, number, size = int(is_array), 0, PIECE
    while True:
        place = f"document {number}"
        start = _end(_BETWEEN, text, at)
        found, at = _next(text, start, place)
        if found is None:
            more = read(size)
            text, at = text[start:] + more, 0
            # Twice as much each time, so that a large document is not read again and again.
            size = max(PIECE, len(text))
            if len(text) > MAX_TEXT:
                raise BadDump(f"{place} is longer than {MAX_TEXT} characters")
            if more:
                continue
            rest = text.strip(" \t\r\n")
            if rest != ("]" if is_array else ""):
                raise BadDump(f"{place} is cut off, or is not JSON: {rest[:40]!r}")
            return
        size = PIECE
        yield found
        number += 1
        if at > PIECE:
            text, at = text[at:], 0


def _next(text: str, at: int, place: str) -> tuple[Document | None, int]:
    """The document that begins there, if all of it is there, and where it ends."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError:
        return None, at
    except (ValueError, TypeError, RecursionError) as error:
        raise BadDump(f"{place}: {error}") from error
    if not isinstance(value, dict):
        raise BadDump(f"{place} is not an object")
    if _depth(value) > MAX_DEPTH:
        raise BadDump(f"{place}: more than {MAX_DEPTH} levels")
    return value, end


def _depth(value: object) -> int:
    """How many levels of objects and arrays it has."""
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [
            part
            for each in level
            for part in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found is not None
    return found.end()


def _object(pairs: list[tuple[str, Any]]) -> object:
    if len(pairs) == 1 and pairs[0][0].startswith("$"):
        ((name, value),) = pairs
        if name in _NUMBERS:
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string")
            return _NUMBERS[name](value)
        if name in _FOREIGN:
            return Foreign(_FOREIGN[name])
    if pairs and pairs[0][0] == "$binary":
        # In the first version its type stands beside it.
        return Foreign("binary")
    return dict(pairs)


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not a number")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)
