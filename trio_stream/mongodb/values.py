"""What MongoDB stores that JSON does not have, and how a file of it can be wrong."""

from __future__ import annotations

from typing import Final

MAX_DOCUMENT: Final = (16 << 20) + (16 << 10)
"""Bytes. The server stores documents of at most 16 MiB, and lets its own have a little more."""
MAX_DEPTH: Final = 250
"""Levels of documents and arrays. The server allows 200 at most."""


class BadDump(Exception):
    """A file is not what MongoDB's tools write; the text says where and why."""


class Foreign:
    """A value of a type that is no JSON; nothing of it is kept but the type's name."""

    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}>"


Document = dict[str, object]
