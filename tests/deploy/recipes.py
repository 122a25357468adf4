"""The recipes, as files and as the manual prints them."""

from __future__ import annotations

from scripts import child

FOLDER = child.ROOT / "scripts" / "deploy"


def recipe(name: str) -> str:
    """The text of a recipe."""
    return (FOLDER / name).read_text(encoding="utf-8")


def changed(text: str, changes: dict[str, str]) -> str:
    """The same with what a test has to change, each of which must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text
