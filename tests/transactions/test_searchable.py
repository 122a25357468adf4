"""Which text of a transaction is searched."""

from __future__ import annotations

from typing import Any

import pytest

from trio_stream.transactions.searchable import BETWEEN, Text, text_of
from trio_stream.transactions.words import WORD_LIMIT


def document(data: Any, metadata: Any = None) -> dict[str, Any]:
    return {"asset": {"data": data}, "metadata": metadata}


@pytest.mark.parametrize("nothing", [None, {}, {"n": 1, "b": True, "l": [None, 2.5]}])
def test_names_numbers_and_booleans_are_not_text(nothing: object) -> None:
    assert text_of(document(nothing, nothing)) == Text(None, None)


def test_strings_at_any_depth_in_their_order() -> None:
    data = {"a": "one", "b": [{"c": "two"}, ["three"]], "d": {"e": {"f": "four"}}}
    assert text_of(document(data, {"m": "five"})) == Text(
        f" {BETWEEN} ".join(["one", "two", "three", "four"]), "five"
    )


def test_depth_is_not_limited() -> None:
    data: object = "deep"
    for _ in range(480):
        data = [data]
    assert text_of(document({"l": data})).asset == "deep"


def test_the_asset_of_a_transfer_has_no_text() -> None:
    assert text_of({"asset": {"id": "a" * 64}, "metadata": None}) == Text(None, None)


@pytest.mark.parametrize("length", [WORD_LIMIT, WORD_LIMIT + 1])
def test_what_is_too_long_for_a_word_is_left_out(length: int) -> None:
    word = "x1" * (length // 2) + "9" * (length % 2)
    kept = length == WORD_LIMIT
    text = text_of(document({"a": f"x {word} y", "b": "z " * 200})).asset or ""
    assert (word in text) == kept
    assert text.startswith("x ") and " y" in text
