"""The streams of a node's own chain."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.selection import Form, Selection, Stream
from trio_stream.stream.sse import without_position
from trio_stream.stream.streams import Streams

_INDEX: Final = b', "index": '


def _with_positions(selection: Selection) -> Selection:
    if selection.form is not Form.PLAIN:
        return selection
    return replace(selection, form=Form.POSITION)


def _as_asked(selection: Selection, text: bytes) -> bytes:
    if selection.form is not Form.PLAIN:
        return text
    if selection.stream is Stream.VALID_TRANSACTIONS:
        return text[: text.index(_INDEX)] + b"}"
    return without_position(text)


def _finds_refused(selection: Selection) -> bool:
    return selection.stream is Stream.REFUSED_TRANSACTIONS


NODE_STREAMS: Final = Streams(
    what="is a BigchainDB node",
    reader=NODE_READER,
    elsewhere=("transactions", "blocks", "events"),
    with_positions=_with_positions,
    as_asked=_as_asked,
    finds_refused=_finds_refused,
)
