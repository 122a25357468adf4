"""Server-Sent Events: their bytes, and the position in each message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_log import MemoryLog
from trio_stream.stream import sse
from trio_stream.stream.frames import texts_in
from trio_stream.stream.node_streams import NODE_STREAMS
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position, parse_position
from trio_stream.stream.selection import Form, Selection, Stream
from trio_stream.stream.sse import split_last_id

END = Position.end_of(1)


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


@pytest.mark.parametrize("stream", Stream)
@pytest.mark.parametrize("form", [Form.POSITION, Form.FULL])
async def test_a_message_has_its_position_and_the_plain_one_inside(
    stream: Stream, form: Form
) -> None:
    log = MemoryLog()
    log.commit(2, refused=[1])

    async def texts(form: Form) -> list[bytes]:
        whole = PageRequest(
            Selection(stream, form), Position(0, 0), END, 1 << 20, 1 << 20
        )
        return list(texts_in((await log.frames(whole)).data))

    rich, plain = await texts(form), await texts(Form.PLAIN)

    asked = Selection(stream)
    assert NODE_STREAMS.with_positions(asked) == Selection(stream, Form.POSITION)
    assert [NODE_STREAMS.as_asked(asked, text) for text in rich] == plain
    read = [parse_position(sse.position_of(text) or "").position for text in rich]
    assert (
        read
        == {
            Stream.VALID_TRANSACTIONS: [Position(1, 0), Position(1, 2)],
            Stream.VALID_BLOCKS: [END],
            Stream.REFUSED_TRANSACTIONS: [Position(1, 1)],
        }[stream]
    )


def test_an_event_has_its_id_its_name_and_its_data() -> None:
    assert sse.event(b"{}") == b"data: {}\n\n"
    assert sse.event(b"{}", id_="1:2", name="notice") == (
        b"id: 1:2\nevent: notice\ndata: {}\n\n"
    )
    assert sse.event(b"{}", id_="") == b"id: \ndata: {}\n\n"


def test_a_position_and_a_pause_are_told_without_an_event() -> None:
    assert sse.checkpoint("1:2") == b"id: 1:2\n\n"
    assert sse.retry(1500) == b"retry: 1500\n\n"
