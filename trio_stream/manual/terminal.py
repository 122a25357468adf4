"""A page of the manual for a terminal: wrapped to its width, tables in columns.

`style` marks headings and strong words with the terminal's own bold; without it there are no
control characters in what comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import TextWrapper, indent
from typing import Final

from trio_stream.manual.markdown import (
    Block,
    Fence,
    Heading,
    Paragraph,
    Table,
    spans,
)

BOLD: Final = "\x1b[1m"
PLAIN: Final = "\x1b[0m"
_GAP: Final = "  "
_LEAST: Final = 28
"""Text in narrower columns is hard to read."""


def render(blocks: Sequence[Block], *, width: int, style: bool = False) -> str:
    """These blocks as lines of at most `width` characters where that can be."""
    return "\n".join(_block(each, width, style) for each in blocks)


def _block(block: Block, width: int, style: bool) -> str:
    match block:
        case Heading(level, text):
            title = _plain(text)
            if style:
                return f"{BOLD}{title}{PLAIN}\n"
            return f"{title}\n{('=' if level == 1 else '-') * len(title)}\n"
        case Paragraph(text):
            return "".join(f"{line}\n" for line in _lines(_inline(text, style), width))
        case Fence(_, text):
            return indent(text, "    ")
        case Table():
            return "".join(f"{line}\n" for line in _table(block, width, style))
        case _:
            return "".join(
                _item(f"{number}." if block.ordered else "*", each, width, style)
                for number, each in enumerate(block.items, 1)
            )


def _item(mark: str, blocks: Sequence[Block], width: int, style: bool) -> str:
    begin = f"  {mark} "
    text = render(blocks, width=width - len(begin), style=style)
    lines = indent(text, " " * len(begin))
    return begin + lines[len(begin) :]


def _inline(text: str, style: bool) -> str:
    return "".join(_spans(text, style))


def _spans(text: str, style: bool) -> Iterator[str]:
    for span in spans(text):
        match span.kind:
            case "code":
                # Quotes would be part of what is copied.
                yield f"`{span.text}`"
            case "strong" if style:
                yield f"{BOLD}{_inline(span.text, False)}{PLAIN}"
            case "link" if span.target.startswith("http"):
                yield f"{_inline(span.text, style)} ({span.target})"
            case "text":
                yield span.text
            case _:
                yield _inline(span.text, style)


def _plain(text: str) -> str:
    return _inline(text, False)


def _lines(text: str, width: int) -> list[str]:
    wrapper = TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(text)


def _table(table: Table, width: int, style: bool) -> Iterator[str]:
    header = [_plain(cell) for cell in table.header]
    rows = [[_plain(cell) for cell in row] for row in table.rows]
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
