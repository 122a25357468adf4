"""The manual's pages as HTML: what CommonMark makes of them, and nothing that is markup in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests import manual
from trio_stream.manual import MARKDOWN
from trio_stream.manual.html import Heading, anchor, headings, inline, render

TEXTS = {**manual.PAGES, **manual.GUIDES}
REFERENCE = MarkdownIt("commonmark").enable("table")


def shown(text: str) -> str:
    return render(MARKDOWN.parse(text))


class Content(HTMLParser):
    """What a document says: its tags, where links lead, and words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Paragraphs in a list are a matter of the distance between its items.
        if tag not in ("div", "p"):
            self.found.append(f"<{tag}>")
        self.found += [f"to {value}" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("div", "p"):
            self.found.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.found += data.split()


def content(html: str) -> list[str]:
    parser = Content()
    parser.feed(html)
    parser.close()
    return [re.sub(r"^to /manual/(\w+)$", r"to \1.md", each) for each in parser.found]


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_says_what_commonmark_makes_of_it(name: str) -> None:
    text = TEXTS[name]
    assert content(shown(text)) == content(REFERENCE.render(text))


def test_headings_can_be_linked_to() -> None:
    assert shown("## What `it` is!\n") == (
        '<h2 id="what-it-is">What <code>it</code> is!</h2>\n'
    )
    assert anchor("Éclairs & more") == "éclairs-more"


def test_headings_are_listed() -> None:
    assert list(headings(MARKDOWN.parse("# A\n\nb\n\n## `C` & d\n"))) == [
        Heading(1, "a", "A"),
        Heading(2, "c-d", "<code>C</code> &amp; d"),
    ]


def test_what_is_wide_can_be_scrolled_with_the_keyboard() -> None:
    assert shown("```js\n1 < 2\n```\n") == (
        '<pre tabindex="0"><code>1 &lt; 2\n</code></pre>\n'
    )
    table = shown("| a |\n|---|\n| *b* |\n")
    assert table.startswith('<div class="table" tabindex="0"><table>')
    assert table.endswith("</table></div>\n")
    assert "<td><em>b</em></td>" in table


def test_no_cell_has_a_style_of_its_own() -> None:
    table = shown("| a |\n|--:|\n| b |\n")
    assert "<th>a</th>" in table and "<td>b</td>" in table


def test_lists_have_items_of_one_text_or_of_blocks() -> None:
    assert shown("* **a**\n") == "<ul>\n<li><strong>a</strong></li>\n</ul>\n"
    assert shown("1. a\n\n   b\n") == ("<ol>\n<li>\n<p>a</p>\n<p>b</p>\n</li>\n</ol>\n")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<!-- note -->\ntext\n", "<p>text</p>\n"),
        ("one\n<!-- note -->\ntwo\n", "<p>one</p>\n<p>two</p>\n"),
        ("* <!-- note -->\n  one\n", "<ul>\n<li>one</li>\n</ul>\n"),
        (
            "```\n<!-- note -->\n```\n",
            '<pre tabindex="0"><code>&lt;!-- note --&gt;\n</code></pre>\n',
        ),
        ("a <!-- b -->\n", "<p>a &lt;!-- b --&gt;</p>\n"),
        ("<b>a</b>\n", "<p>&lt;b&gt;a&lt;/b&gt;</p>\n"),
    ],
)
def test_comments_are_left_out_and_other_html_is_text(text: str, html: str) -> None:
    assert shown(text) == html


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("sql.md", "/manual/sql"),
        ("sql.md#views", "/manual/sql#views"),
        ("https://example.com/a.md", "https://example.com/a.md"),
        ("#views", "#views"),
    ],
)
def test_links_lead_to_pages_of_the_server_or_elsewhere(link: str, target: str) -> None:
    assert inline(f"[there]({link})") == f'<a href="{target}">there</a>'


@given(st.text(st.sampled_from("ab#|-*`1.<>\"'&[]()!:\\\n ")))
def test_no_text_is_markup(text: str) -> None:
    tags = {
        "h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "code", "div", "table", "thead",
        "tbody", "tr", "th", "td", "ul", "ol", "li", "a", "strong", "em", "blockquote", "hr",
        "br", "img",
    }  # fmt: skip
    html = shown(text)
    names = "id|href|class|tabindex|start|src|alt|title"
    words = re.sub(rf'</?(\w+)( ({names})="[^"<>]*")*>', "", html)
    assert not set("<>") & set(words)
    assert set(re.findall(r"<(\w+)", html)) <= tags
