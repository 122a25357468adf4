"""Values that are not kept."""

from __future__ import annotations

from trio_stream.mongodb.values import Foreign


def test_a_foreign_value_says_what_it_was() -> None:
    assert repr([Foreign("date")]) == "[<date>]"
