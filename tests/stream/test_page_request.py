from __future__ import annotations

from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import PLAIN


def test_the_next_page_begins_where_the_last_one_ended() -> None:
    request = PageRequest(PLAIN, Position(1, 0), Position.end_of(9), 1_000, 10)
    page = Frames(request.after, Position(3, 5))

    assert request.following(page) == request._replace(after=Position(3, 5))
