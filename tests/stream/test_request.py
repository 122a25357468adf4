"""What subscribers ask for, as a value."""

from __future__ import annotations

from trio_stream.stream.request import DEFAULT_LIMIT, Asked, BadRequest, NamedPlace


def test_whoever_says_nothing_else_gets_what_is_new_for_ever():
    asked = Asked(selection="anything")

    assert (asked.after, asked.until) == (NamedPlace.NOW, None)
    assert (asked.notices, asked.limit, asked.wait) == (False, DEFAULT_LIMIT, 0)
    assert not BadRequest("unreadable").notices
