"""The manual's pages on a terminal."""

from __future__ import annotations

import pytest

from trio_stream.manual import MARKDOWN, TOPICS, page
from trio_stream.manual.terminal import render


def shown(text: str, *, width: int = 30, style: bool = False) -> str:
    return render(MARKDOWN.parse(text), width=width, style=style)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# Title\n", "Title\n=====\n"),
        ("## A part\n", "A part\n------\n"),
        (
            "a text that is *longer* than one\nline of `30`\n",
            "a text that is longer than one\nline of `30`\n",
        ),
        ("```sh\nls -l\n```\n", "    ls -l\n"),
        (
            "* **one**\n* two and so on until it is long\n",
            "  * one\n  * two and so on until it is\n    long\n",
        ),
        ("1. one\n2. two\n", "  1. one\n  2. two\n"),
        ("*\n* two\n", "  * \n  * two\n"),
        ("see [SQL](sql.md)\n", "see SQL\n"),
        ("[a](https://b.c)\n", "a (https://b.c)\n"),
        ("<https://b.c>\n", "https://b.c\n"),
        ("one\n\ntwo\n", "one\n\ntwo\n"),
        ("3. three\n\n   more\n4. four\n", "  3. three\n\n     more\n  4. four\n"),
        ("> one  \n> ![two](a.png)\n\n---\n", f"  one two\n\n{'-' * 30}\n"),
        ("    code\n", "    code\n"),
    ],
)
def test_blocks(text: str, lines: str) -> None:
    assert shown(text) == lines


def test_a_table_stands_in_columns_the_widest_of_which_is_wrapped() -> None:
    text = (
        "| a | what it is |\n|---|---|\n"
        "| `x` | a b c d e f g h i j k l m n o p q r |\n| `yy` | |\n"
    )
    assert shown(text, width=34) == (
        "a     what it is\n"
        "----  ----------------------------\n"
        "`x`   a b c d e f g h i j k l m n\n"
        "      o p q r\n"
        "`yy`\n"
    )


def test_the_rows_of_a_table_that_is_too_wide_are_stacked() -> None:
    text = "| a | what | |\n|---|---|---|\n| `x` | a b c d e f g h i j k l m n o p | and |\n"
    assert shown(text) == (
        "`x`\n    what: a b c d e f g h i j\n    k l m n o p\n    and\n"
    )


def test_a_table_without_a_header_begins_with_its_rows() -> None:
    assert shown("| | |\n|---|---|\n| a | b |\n") == "a  b\n"


def test_style_is_bold() -> None:
    assert shown("# T\n", style=True) == "\x1b[1mT\x1b[0m\n"
    assert shown("**a** `b`\n", style=True) == "\x1b[1ma\x1b[0m `b`\n"
    assert shown("| a |\n|---|\n| b |\n", style=True) == "\x1b[1ma\x1b[0m\n-\nb\n"


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("width", [40, 80, 100])
def test_each_page_is_as_wide_as_it_may_be(topic: str, width: int) -> None:
    tokens = [each for each in MARKDOWN.parse(page(topic)) if each.type != "fence"]
    for line in render(tokens, width=width).splitlines():
        # A word that is longer is not broken: it may be there to be copied.
        assert len(line) <= width or max(map(len, line.split())) > width / 3, line
