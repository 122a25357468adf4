"""The part of Markdown that the manual is written in, taken apart: text in, blocks and spans out.

Headings, paragraphs, lists, tables and fenced blocks; in their text code, links, strong and
emphasised words. Other Markdown is text like any other, raw HTML too, except that comments on lines
of their own are left out. What is understood means what CommonMark and GitHub's tables mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A block that is shown as it is."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list, each item of which has blocks of its own."""

    ordered: bool
    items: tuple[tuple[Block, ...], ...]


Block = Heading | Paragraph | Fence | Table | Items


class Span(NamedTuple):
    """A piece of a text; `target` is where a link leads."""

    kind: Literal["text", "code", "strong", "emphasis", "link"]
    text: str
    target: str = ""


_HEADING: Final = re.compile(r"(#{1,6}) +(.*)")
_FENCE: Final = re.compile(r"```(\w*)$")
_ITEM: Final = re.compile(r"([*-]|\d+\.) +")
_COMMENT: Final = re.compile(r"<!--.*-->$")
_RULE: Final = re.compile(r"\|?( *:?-+:? *\|)+")
"""What stands between the header and the rows of a table."""
_SPAN: Final = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\*\*(?P<strong>\S(?:.*?\S)??)\*\*"
    r"|\*(?P<emphasis>[^\s*](?:[^*]*[^\s*])??)\*"
    r"|\[(?P<link>[^\]\[]+)\]\((?P<target>[^()\s]+)\)",
    re.DOTALL,
)


def parse(text: str) -> tuple[Block, ...]:
    """The blocks of a page, in order."""
    return tuple(_blocks(text.splitlines()))


def spans(text: str) -> Iterator[Span]:
    """The pieces of a text, in order; what is strong, emphasised or a link has pieces too."""
    end = 0
    for found in _SPAN.finditer(text):
        if found.start() > end:
            yield Span("text", text[end : found.start()])
        end = found.end()
        if (code := found["code"]) is not None:
            yield Span("code", code.replace("\n", " "))
        elif (strong := found["strong"]) is not None:
            yield Span("strong", strong)
        elif (emphasis := found["emphasis"]) is not None:
            yield Span("emphasis", emphasis)
        else:
            yield Span("link", found["link"], found["target"])
    if end < len(text):
        yield Span("text", text[end:])


def _blocks(lines: list[str]) -> Iterator[Block]:
    while lines:
        line = lines[0]
        if not line.strip() or _COMMENT.match(line):
            del lines[0]
        elif found := _HEADING.match(line):
            del lines[0]
            yield Heading(len(found[1]), found[2])
        elif found := _FENCE.match(line):
            yield _fence(found[1], lines)
        elif _begins_table(lines):
            yield _table(lines)
        elif found := _ITEM.match(line):
            yield _items(lines, ordered=found[1][0].isdigit())
        else:
            yield _paragraph(lines)


def _fence(language: str, lines: list[str]) -> Fence:
    inside = list(takewhile(lambda line: line != "```", lines[1:]))
    del lines[: len(inside) + 2]
    return Fence(language, "".join(f"{line}\n" for line in inside))


def _begins_table(lines: list[str]) -> bool:
    return lines[0].startswith("|") and len(lines) > 1 and bool(_RULE.match(lines[1]))


def _table(lines: list[str]) -> Table:
    rows = list(takewhile(lambda line: line.startswith("|"), lines))
    del lines[: len(rows)]
    header, _, *others = map(_cells, rows)
    width = len(header)
    filled = [(*row, *[""] * width)[:width] for row in others]
    return Table(header, tuple(filled))


def _cells(line: str) -> tuple[str, ...]:
    inside = line.strip().removeprefix("|").removesuffix("|")
    parts = re.split(r"(?<!\\)\|", inside)
    return tuple(each.strip().replace("\\|", "|") for each in parts)


def _items(lines: list[str], *, ordered: bool) -> Items:
    items: list[tuple[Block, ...]] = []
    while lines and (found := _ITEM.match(lines[0])):
        if found[1][0].isdigit() != ordered:
            break
        indent = " " * found.end()
        own = [lines.pop(0)[found.end() :]]
        while lines and _belongs(lines, indent):
            own.append(lines.pop(0).removeprefix(indent))
        items.append(tuple(_blocks(own)))
        while lines and not lines[0].strip():
            del lines[0]
    return Items(ordered, tuple(items))


def _belongs(lines: list[str], indent: str) -> bool:
    """Whether the first line goes on with an item: it is indented, or empty before one that is."""
    following = next(filter(str.strip, lines), "")
    return following.startswith(indent)


def _paragraph(lines: list[str]) -> Paragraph:
    own = [lines.pop(0)]
    while lines and lines[0].strip() and not _interrupts(lines):
        own.append(lines.pop(0))
    return Paragraph("\n".join(line.strip() for line in own))


def _interrupts(lines: list[str]) -> bool:
    line = lines[0]
    item = _ITEM.match(line)
    return bool(
        _HEADING.match(line)
        or _FENCE.match(line)
        or _begins_table(lines)
        # A number within a paragraph that happens to begin a line is none.
        or (item and (not item[1][0].isdigit() or item[1] == "1."))
    )
