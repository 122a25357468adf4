"""Quotes values as Python's `repr` does, but alike in every version of Python.

The text of a refusal is stored and streamed, so it must be the same on every node. `repr` is not:
it escapes characters that its own version of Unicode does not know. Here version 3.2 decides, which
every Python includes for old protocols; characters that it does not know are shown as they are.

Values are those of JSON. However large a value is, only as much of it is read as is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from unicodedata import ucd_3_2_0 as unicode

_ESCAPED: Final = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"))
_SHORT: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}
_END: Final = object()


class _Piece(str):
    """Part of the quoted text that is not a value itself."""


def quote(value: object, limit: int) -> str:
    """The `repr` of a value, cut to `limit` characters."""
    pieces: list[str] = []
    size = 0
    # Without recursion, since a value may be nested as deeply as calls can be.
    stack: list[Iterator[object]] = [iter((value,))]
    while stack and size <= limit:
        item = next(stack[-1], _END)
        if item is _END:
            stack.pop()
        elif isinstance(item, list):
            stack.append(_items(item))
        elif isinstance(item, dict):
            stack.append(_members(item))
        else:
            piece = item if isinstance(item, _Piece) else _scalar(item, limit)
            pieces.append(piece)
            size += len(piece)
    text = "".join(pieces)
    return text if len(text) <= limit else f"{text[:limit]}…"


def say(value: object, limit: int) -> str:
    """What `str` returns: a string as it is, anything else quoted."""
    return value if isinstance(value, str) else quote(value, limit)


def _items(values: list[object]) -> Iterator[object]:
    yield _Piece("[")
    for number, value in enumerate(values):
        if number:
            yield _Piece(", ")
        yield value
    yield _Piece("]")


def _members(values: dict[str, object]) -> Iterator[object]:
    yield _Piece("{")
    for number, (name, value) in enumerate(values.items()):
        if number:
            yield _Piece(", ")
        yield name
        yield _Piece(": ")
        yield value
    yield _Piece("}")


def _scalar(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return repr(value)
    mark = '"' if "'" in value and '"' not in value else "'"
    # One more than is shown, so that the cut is noticed.
    shown = value[: limit + 1]
    return f"{mark}{''.join(_escaped(each, mark) for each in shown)}{mark}"


def _escaped(character: str, mark: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character == mark:
        return f"\\{mark}"
    if character == " " or unicode.category(character) not in _ESCAPED:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
