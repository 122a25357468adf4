"""What a subscriber to a node's own chain may ask for beside what all may (`query_string`).

asset_id= public_key= operation=               filters, as often as wanted
empty_blocks=1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trio_stream.stream.filters import FILTERS, Filter
from trio_stream.stream.names import quoted
from trio_stream.stream.query_string import QUOTED, QueryReader, Values
from trio_stream.stream.request import BadRequest
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream


def _selection(name: str, values: Values) -> Selection:
    stream, form = Stream(name), values.form()
    filters = {name: _values_of(name, each, values) for name, each in FILTERS.items()}
    selection = Selection(stream, form, Filters(**filters), values.flag("empty_blocks"))
    if stream is not Stream.VALID_TRANSACTIONS:
        if selection.filters:
            raise BadRequest(f"{stream.value} cannot be filtered")
        if selection.form is Form.FULL:
            raise BadRequest(
                f"detail=full is only for {Stream.VALID_TRANSACTIONS.value}"
            )
    if stream is not Stream.VALID_BLOCKS and values.once("empty_blocks") is not None:
        raise BadRequest(f"empty_blocks is only for {Stream.VALID_BLOCKS.value}")
    # Each client keeps its selection, and nearly all of them ask for this one.
    return PLAIN if selection == PLAIN else selection


def _values_of(name: str, filter_: Filter, values: Values) -> Sequence[str]:
    found = values.every(name)
    for value in found:
        if not filter_.pattern.fullmatch(value):
            given = quoted(value, QUOTED)
            raise BadRequest(f"{name} must be {filter_.kind}, not {given}")
    return found


NODE_READER: Final = QueryReader(
    [stream.value for stream in Stream], ("empty_blocks", *FILTERS), _selection
)
