"""A page of the manual for a terminal: wrapped to its width, tables in columns.

`style` marks headings and strong words with the terminal's own bold; without it there are no
control characters in what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import TextWrapper, indent
from typing import Final

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode as Node

BOLD: Final = "\x1b[1m"
PLAIN: Final = "\x1b[0m"
_GAP: Final = "  "
_LEAST: Final = 28
"""Text in narrower columns is hard to read."""


def render(tokens: Sequence[Token], *, width: int, style: bool = False) -> str:
    """What was parsed, as lines of at most `width` characters where that can be."""
    return _blocks(Node(tokens), width, style)


def _blocks(parent: Node, width: int, style: bool) -> str:
    return "\n".join(_block(each, width, style) for each in parent.children)


def _block(block: Node, width: int, style: bool) -> str:
    match block.type:
        case "heading":
            title = _text(block)
            if style:
                return f"{BOLD}{title}{PLAIN}\n"
            return f"{title}\n{('=' if block.tag == 'h1' else '-') * len(title)}\n"
        case "fence" | "code_block":
            return indent(block.content, "    ")
        case "table":
            return "".join(f"{line}\n" for line in _table(block, width, style))
        case "bullet_list":
            return "".join(_item("*", each, width, style) for each in block.children)
        case "ordered_list":
            first = int(block.attrs.get("start", 1))
            return "".join(
                _item(f"{number}.", each, width, style)
                for number, each in enumerate(block.children, first)
            )
        case "blockquote":
            return indent(_blocks(block, width - 2, style), "  ")
        case "hr":
            return f"{'-' * width}\n"
        case _:
            text = _text(block, style)
            return "".join(f"{line}\n" for line in _lines(text, width))


def _item(mark: str, item: Node, width: int, style: bool) -> str:
    begin = f"  {mark} "
    text = _blocks(item, width - len(begin), style)
    lines = indent(text, " " * len(begin))
    return begin + (lines[len(begin) :] or "\n")


def _text(parent: Node, style: bool = False) -> str:
    return "".join(_span(each, style) for each in parent.children)


def _span(span: Node, style: bool) -> str:
    match span.type:
        case "text":
            return span.content
        case "code_inline":
            # Quotes would be part of what is copied.
            return f"`{span.content}`"
        case "softbreak" | "hardbreak":
            return "\n"
        case "strong" if style:
            return f"{BOLD}{_text(span)}{PLAIN}"
        case "link":
            text, target = _text(span, style), str(span.attrs["href"])
            elsewhere = target.startswith("http") and target != text
            return f"{text} ({target})" if elsewhere else text
        case _:
            return _text(span, style)


def _lines(text: str, width: int) -> list[str]:
    wrapper = TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)


def _table(table: Node, width: int, style: bool) -> Iterator[str]:
    header, *rows = (
        [_text(cell) for cell in row.children]
        for part in table.children
        for row in part.children
    )
    widths = _widths([header, *rows], width)
    if widths is None:
        for row in rows:
            yield from _stacked(header, row, width)
        return
    if any(header):
        for line in _row(header, widths):
            yield f"{BOLD}{line}{PLAIN}" if style else line
        yield _GAP.join("-" * each for each in widths)
    for row in rows:
        yield from _row(row, widths)


def _widths(rows: list[list[str]], width: int) -> list[int] | None:
    """How wide each column is, the widest ones wrapped; None if they don't fit abreast."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [[word for cell in column for word in cell.split()] for column in columns]
    least = [
        max(min(width, _LEAST), *map(len, of_column), 0)
        for width, of_column in zip(widths, words, strict=True)
    ]
    room = width - len(_GAP) * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        wide = [n for n, each in enumerate(widths) if each > least[n]]
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _stacked(header: list[str], row: list[str], width: int) -> Iterator[str]:
    """A row of a table that is too wide: its cells one below the other."""
    yield from _lines(row[0], width)
    for name, cell in zip(header[1:], row[1:], strict=True):
        text = f"{name}: {cell}" if name else cell
        yield from (f"    {line}" for line in _lines(text, width - 4))


def _row(cells: list[str], widths: list[int]) -> Iterator[str]:
    columns = [_lines(cell, each) for cell, each in zip(cells, widths, strict=True)]
    for line in zip_longest(*columns, fillvalue=""):
        parts = [part.ljust(each) for part, each in zip(line, widths, strict=True)]
        yield _GAP.join(parts).rstrip()
