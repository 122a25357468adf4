"""The README, taken apart: what it prints for others to copy."""

from __future__ import annotations

import re

from scripts import child

TEXT = (child.ROOT / "README.md").read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The fenced blocks in this language, in order."""
    return [text for name, text in _FENCE.findall(TEXT) if name == language]


def languages() -> set[str]:
    return {name for name, _ in _FENCE.findall(TEXT)}


def spans() -> list[str]:
    """What stands between backticks in the text, in order, each once."""
    prose = _FENCE.sub("", TEXT)
    found = re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)
    return list(dict.fromkeys(" ".join(each.split()) for each in found))
