"""A page of the manual as HTML, without a frame around it.

Whatever a page says is text to a browser: there is no way to write markup of one's own in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from trio_stream.manual import MARKDOWN

PATH: Final = "/manual"
"""Below it a server has the pages."""


class Heading(NamedTuple):
    level: int
    anchor: str
    html: str


def render(tokens: Sequence[Token]) -> str:
    """What was parsed, in HTML; headings have an `id` made of their words."""
    return _RENDERER.render(tokens, MARKDOWN.options, {})


def inline(text: str) -> str:
    """The text of a single line in HTML."""
    return render(MARKDOWN.parseInline(text))


def headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    """The headings of a page, in order."""
    for opening, text in pairwise(tokens):
        if opening.type == "heading_open":
            yield Heading(int(opening.tag[1:]), anchor(text.content), render([text]))


def anchor(heading: str) -> str:
    """The `id` of a heading."""
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


class _Renderer(RendererHTML):
    """CommonMark's HTML but for what is below, by the kind of token."""

    def heading_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return f'<{tokens[idx].tag} id="{anchor(tokens[idx + 1].content)}">'

    def link_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        target = _target(str(tokens[idx].attrs["href"]))
        return f'<a href="{escapeHtml(target)}">'

    def fence(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        # It may be wider than the page: what scrolls can be reached with the keyboard.
        return (
            f'<pre tabindex="0"><code>{escapeHtml(tokens[idx].content)}</code></pre>\n'
        )

    code_block = fence

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return '<div class="table" tabindex="0"><table>\n'

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return "</table></div>\n"

    def td_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        # Its alignment would be a style, which the documents' policy forbids.
        return f"<{tokens[idx].tag}>"

    th_open = td_open


_RENDERER: Final = _Renderer()


def _target(link: str) -> str:
    """Where a link leads: to another page, or to another host."""
    found = re.fullmatch(r"(\w+)\.md(#.*)?", link)
    return f"{PATH}/{found[1]}{found[2] or ''}" if found else link
