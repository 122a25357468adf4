"""A page of the manual as HTML, without a frame around it.

Whatever a page says is text to a browser: there is no way to write markup of one's own in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Final

from trio_stream.manual.markdown import (
    Block,
    Fence,
    Heading,
    Paragraph,
    Table,
    spans,
)

PATH: Final = "/manual"
"""Below it a server has the pages."""

_TAGS: Final = {"strong": "strong", "emphasis": "em"}


def render(blocks: tuple[Block, ...]) -> str:
    """These blocks in HTML; headings have an `id` made of their words."""
    return "".join(_block(each) for each in blocks)


def anchor(heading: str) -> str:
    """The `id` of a heading."""
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


def inline(text: str) -> str:
    """The text of a block in HTML."""
    return "".join(_inline(text))


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f'<h{level} id="{anchor(text)}">{inline(text)}</h{level}>\n'
        case Paragraph(text):
            return f"<p>{inline(text)}</p>\n"
        case Fence(_, text):
            # It may be wider than the page: what scrolls can be reached with the keyboard.
            return f'<pre tabindex="0"><code>{escape(text)}</code></pre>\n'
        case Table():
            return "".join(_table(block))
        case _:
            tag = "ol" if block.ordered else "ul"
            inside = "".join(f"<li>{_item(each)}</li>\n" for each in block.items)
            return f"<{tag}>\n{inside}</{tag}>\n"


def _item(blocks: tuple[Block, ...]) -> str:
    if len(blocks) == 1 and isinstance(blocks[0], Paragraph):
        return inline(blocks[0].text)
    return render(blocks)


def _table(table: Table) -> Iterator[str]:
    yield '<div class="table" tabindex="0"><table>\n<thead>\n'
    yield _row("th", table.header)
    yield "</thead>\n<tbody>\n"
    for row in table.rows:
        yield _row("td", row)
    yield "</tbody>\n</table></div>\n"


def _row(tag: str, cells: tuple[str, ...]) -> str:
    inside = "".join(f"<{tag}>{inline(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>\n"


def _inline(text: str) -> Iterator[str]:
    for span in spans(text):
        match span.kind:
            case "text":
                yield escape(span.text)
            case "code":
                yield f"<code>{escape(span.text)}</code>"
            case "link":
                yield f'<a href="{escape(_target(span.target))}">{inline(span.text)}</a>'
            case kind:
                yield f"<{_TAGS[kind]}>{inline(span.text)}</{_TAGS[kind]}>"


def _target(link: str) -> str:
    """Where a link leads: to another page, or to another host."""
    found = re.fullmatch(r"(\w+)\.md(#.*)?", link)
    return f"{PATH}/{found[1]}{found[2] or ''}" if found else link
