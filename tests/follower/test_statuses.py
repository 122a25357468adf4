from __future__ import annotations

import pytest

from trio_stream.follower.statuses import look, retry_after
from trio_stream.follower.troubles import Overworked, Unreachable


def test_statuses_that_say_that_a_node_cannot_be_asked() -> None:
    for status in (200, 404, 500):
        look(status, {})
    with pytest.raises(Overworked, match="status 429") as caught:
        look(429, {"retry-after": "3"})
    assert caught.value.retry_after == 3
    with pytest.raises(Unreachable, match="redirects to 'http://b'"):
        look(301, {"location": "http://b"})


def test_retry_after() -> None:
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    later = "Wed, 21 Oct 2026 07:28:30 GMT"
    assert retry_after({"retry-after": "12"}) == 12
    assert retry_after({"retry-after": later, "date": date}) == 30
    assert retry_after({"retry-after": date, "date": later}) == 0
    assert retry_after({"retry-after": later}) is None
    for nonsense in (
        "soon",
        f"Wed, 21 Oct 2026 07:28:00 +{'9' * 20}",
        f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT",
        f"Wed, {'9' * 30} Oct 2026 07:28:00 GMT",
    ):
        assert retry_after({"retry-after": nonsense, "date": date}) is None
    assert retry_after({}) is None
