"""The manual and the README, taken apart: what they print for others to copy."""

from __future__ import annotations

import re

from scripts import child
from trio_stream.manual import TOPICS, page

README = (child.ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {topic: page(topic) for topic in TOPICS}
"""The pages by topic."""
GUIDES = {
    folder: (child.ROOT / folder / "README.md").read_text(encoding="utf-8")
    for folder in ("scripts", "tests")
}
"""What contributors read, by folder."""
TEXT = "\n".join([README, *PAGES.values(), *GUIDES.values()])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, text: str = TEXT) -> list[str]:
    """The fenced blocks in this language, in order, each once."""
    found = [block for name, block in _FENCE.findall(text) if name == language]
    return list(dict.fromkeys(found))


def languages() -> set[str]:
    return {name for name, _ in _FENCE.findall(TEXT)}


def prose(text: str = TEXT) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def spans() -> list[str]:
    """What stands between backticks in the text, in order, each once."""
    found = re.findall(r"(?<!`)`([^`]+)`(?!`)", prose())
    return list(dict.fromkeys(" ".join(each.split()) for each in found))


def code() -> list[str]:
    """All that is printed as code, in blocks and in the text."""
    return [block for _, block in _FENCE.findall(TEXT)] + spans()


def links(text: str) -> list[str]:
    """Where the links of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(text))
