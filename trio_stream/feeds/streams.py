"""The streams of a followed chain.

Messages of every form have the same members in the same order, so the plain one is what is left
of the form with positions without its end: for a transaction and an event the block's time and the
position, for a block, which always says its time, the position alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trio_stream.feeds.request import FEED_READER
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.stream.selection import Form, Stream
from trio_stream.stream.streams import Streams

_GAP: Final = b'{"gap": '
# Any quotation mark inside a JSON text is escaped, so these are members of the message itself.
_TIME: Final = b', "time": "'
_POSITION: Final = b', "position": "'


def _with_positions(selection: FeedSelection) -> FeedSelection:
    if selection.form is not Form.PLAIN:
        return selection
    return replace(selection, form=Form.POSITION)


def _as_asked(selection: FeedSelection, text: bytes) -> bytes:
    if selection.form is not Form.PLAIN or text.startswith(_GAP):
        return text
    added = _POSITION if selection.feed is Feed.BLOCKS else _TIME
    return text[: text.rindex(added)] + b"}"


def _finds_refused(_: FeedSelection) -> bool:
    # Here every transaction has a place, whatever became of it.
    return True


FEEDS: Final = Streams(
    what="follows a chain",
    reader=FEED_READER,
    elsewhere=tuple(each.value for each in Stream),
    with_positions=_with_positions,
    as_asked=_as_asked,
    finds_refused=_finds_refused,
)
