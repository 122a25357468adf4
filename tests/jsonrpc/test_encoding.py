from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from trio_stream.jsonrpc.encoding import encoded, pieces

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_pieces_are_the_text(value: object) -> None:
    assert encoded(value, is_large=True) == encoded(value, is_large=False)
    assert json.loads(encoded(value, is_large=True)) == value


def test_each_piece_is_small() -> None:
    event = {"type": "t", "attributes": [{"key": "k", "value": "v"}] * 5}
    wide = {"type": "t", "attributes": [{"key": "k", "value": "v"}] * 5000}
    result = {"events": [event] * 1000 + [wide]}
    value = {"data": {"value": {"result_finalize_block": {"tx_results": [result] * 3}}}}
    assert max(map(len, pieces(value))) < 300
    assert len(list(pieces(value, depth=8))) < len(list(pieces(value)))
