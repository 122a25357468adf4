from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.stream.sse import split_last_id


@pytest.mark.parametrize(
    ("query", "last", "rest"),
    [
        *[("", "", ""), ("after=1", "", "after=1"), ("lastEventId", "", "")],
        *[("lastEventId=1%3A2", "1:2", ""), ("Last-Event-ID=1", "1", "")],
        *[
            ("last-event-id=1&a=b", "1", "a=b"),
            ("a=%26&lastEventId=end", "end", "a=%26"),
        ],
        *[("last%45ventId=1", "1", ""), ("lastEventId=1&lasteventid=2", "2", "")],
        *[("lastEventIds=1", "", "lastEventIds=1"), ("last=1", "", "last=1")],
    ],
)
def test_the_last_id_and_what_is_left(query: str, last: str, rest: str) -> None:
    assert split_last_id(query) == (last, rest)


@given(st.text())
def test_a_query_without_one_keeps_what_it_says(query: str) -> None:
    if "last" not in query.lower() and "%" not in query:
        said = "&".join(part for part in query.split("&") if part)
        assert split_last_id(query) == ("", said)
