"""What the manual's Markdown is taken apart into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.manual.markdown import (
    Block,
    Fence,
    Heading,
    Items,
    Paragraph,
    Span,
    Table,
    parse,
    spans,
)


def paragraph(text: str) -> tuple[Block, ...]:
    return (Paragraph(text),)


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", ()),
        ("# One\n## Two\n", (Heading(1, "One"), Heading(2, "Two"))),
        ("one\n  two\n\nthree\n", (Paragraph("one\ntwo"), Paragraph("three"))),
        ("#no heading\n", paragraph("#no heading")),
        ("<!-- note -->\ntext\n", paragraph("text")),
        (
            "```sh\nls\n\n# x\n```\nafter\n",
            (Fence("sh", "ls\n\n# x\n"), *paragraph("after")),
        ),
        ("```\nnever ends", (Fence("", "never ends\n"),)),
        (
            "| a | b |\n|---|---|\n| 1 | x \\| y |\n| 2 |\n| 3 | 4 | 5 |\n",
            (Table(("a", "b"), (("1", "x | y"), ("2", ""), ("3", "4"))),),
        ),
        ("| no | table\n", paragraph("| no | table")),
        ("text\n| a |\n|---|\n", (Paragraph("text"), Table(("a",), ()))),
        (
            "* one\n  more\n* two\n\ntext\n",
            (
                Items(False, (paragraph("one\nmore"), paragraph("two"))),
                Paragraph("text"),
            ),
        ),
        ("1. one\n2. two\n", (Items(True, (paragraph("one"), paragraph("two"))),)),
        (
            "* one\n1. other\n",
            (Items(False, (paragraph("one"),)), Items(True, (paragraph("other"),))),
        ),
        (
            "* one\n\n  two\n  * three\n",
            (
                Items(
                    False,
                    (
                        (
                            Paragraph("one"),
                            Paragraph("two"),
                            Items(False, (paragraph("three"),)),
                        ),
                    ),
                ),
            ),
        ),
        (
            "1. run\n\n   ```\n   ls\n   ```\n",
            (Items(True, ((Paragraph("run"), Fence("", "ls\n")),)),),
        ),
        ("text\n* item\n", (Paragraph("text"), Items(False, (paragraph("item"),)))),
        ("there were\n14. no more\n", paragraph("there were\n14. no more")),
    ],
)
def test_blocks(text: str, blocks: tuple[Block, ...]) -> None:
    assert parse(text) == blocks


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("plain", [Span("text", "plain")]),
        ("a `b*c*` d", [Span("text", "a "), Span("code", "b*c*"), Span("text", " d")]),
        ("``a`b``", [Span("code", "a`b")]),
        ("`a\nb`", [Span("code", "a b")]),
        ("**a `b`**.", [Span("strong", "a `b`"), Span("text", ".")]),
        (
            "*or*, *x y*",
            [Span("emphasis", "or"), Span("text", ", "), Span("emphasis", "x y")],
        ),
        ("2 * 3 * 4", [Span("text", "2 * 3 * 4")]),
        ("[SQL](sql.md)", [Span("link", "SQL", "sql.md")]),
        ("[a] (b)", [Span("text", "[a] (b)")]),
    ],
)
def test_spans(text: str, pieces: list[Span]) -> None:
    assert list(spans(text)) == pieces


@given(st.text(st.sampled_from("a #|-*`1.<>[]()!\n ")))
def test_any_text_has_blocks_and_spans(text: str) -> None:
    for block in parse(text):
        if isinstance(block, Paragraph):
            assert block.text.strip()
            assert all(each.text for each in spans(block.text))
