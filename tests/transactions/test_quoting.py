"""Values are quoted as `repr` does, and alike in every version of Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.transactions.quoting import quote, say

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(max_codepoint=0x7F)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("a'\"\\ \n\0"), inner),
)


@pytest.mark.slow
@given(JSON)
def test_what_every_python_knows_is_quoted_as_repr_does(value: object) -> None:
    assert quote(value, 10_000) == repr(value)


@given(JSON, st.integers(1, 30))
def test_what_is_long_is_cut(value: object, limit: int) -> None:
    text = repr(value)
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    assert quote(value, limit) == cut


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("é ñ 漢 \u0301", "'é ñ 漢 \u0301'"),
        # New in Unicode 6, 15 and 16; Python 3.11 knows 14, 3.12 15, 3.14 16.
        ("\U0001f41d \U0001f6dc \u1c89", "'\U0001f41d \U0001f6dc \u1c89'"),
        ("\x7f\x80\xa0\xff", r"'\x7f\x80\xa0ÿ'"),
        ("\u200b\u2028\u3000\ufeff", r"'\u200b\u2028\u3000\ufeff'"),
        ("\ud800\ue000\U000f0000", r"'\ud800\ue000\U000f0000'"),
        ("it's", '"it\'s"'),
        ('it\'s "é"', "'it\\'s \"é\"'"),
        ("a\\b\t\r\n\0", r"'a\\b\t\r\n\x00'"),
    ],
)
def test_texts_are_quoted_the_same_everywhere(text: str, quoted: str) -> None:
    assert quote(text, 100) == quoted
    assert quote([text], 100) == f"[{quoted}]"
    assert quote({text: 1}, 100) == f"{{{quoted}: 1}}"
    assert say(text, 100) == text
    assert say([text], 100) == f"[{quoted}]"


def test_only_what_is_shown_is_looked_at() -> None:
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep] * 10
    wide = ["x" * 1_000_000] * 1_000_000
    # To look at all of them would take for ever, and all memory.
    assert quote(deep, 1_000) == "[" * 1_000 + "…"
    assert quote(wide, 9) == "['xxxxxxx…"
