"""What doors know of a node's messages; their plain form is tested with `sse`."""

from __future__ import annotations

from trio_stream.stream.node_streams import NODE_STREAMS
from trio_stream.stream.selection import PLAIN, Form, Selection, Stream


def test_positions_are_added_to_what_has_none_and_removed_from_that_alone() -> None:
    for form in (Form.POSITION, Form.FULL):
        selection = Selection(form=form)
        assert NODE_STREAMS.with_positions(selection) is selection
        assert NODE_STREAMS.as_asked(selection, b"{}") == b"{}"
    rich = b'{"height": 1, "index": 2, "position": "1:2", "time": "now"}'
    assert NODE_STREAMS.with_positions(PLAIN) == Selection(form=Form.POSITION)
    assert NODE_STREAMS.as_asked(PLAIN, rich) == b'{"height": 1}'
    block = b'{"height": 1, "position": "1::", "time": "now"}'
    blocks = Selection(Stream.VALID_BLOCKS)
    assert NODE_STREAMS.as_asked(blocks, block) == b'{"height": 1}'


def test_refused_transactions_are_places_in_their_own_stream() -> None:
    found = {each: NODE_STREAMS.finds_refused(Selection(each)) for each in Stream}
    assert [each for each, finds in found.items() if finds] == [
        Stream.REFUSED_TRANSACTIONS
    ]
