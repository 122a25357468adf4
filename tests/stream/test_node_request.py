from __future__ import annotations

import pytest

from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.request import Asked, BadRequest
from trio_stream.stream.selection import PLAIN, Filters, Form, Selection, Stream

ID, OTHER = "01" * 32, "ab" * 32
KEY = "4K9sWUMFwTgaDGPfdynrbxWqWS6sWmKbZoTjxLtVUibD"


@pytest.mark.parametrize(
    ("stream", "query", "selection"),
    [
        (
            Stream.VALID_TRANSACTIONS,
            f"asset_id={ID}&asset_id={OTHER}&public_key={KEY}&operation=CREATE",
            Selection(
                filters=Filters(
                    asset_id=[ID, OTHER], public_key=[KEY], operation=["CREATE"]
                )
            ),
        ),
        (Stream.VALID_TRANSACTIONS, "detail=position", Selection(form=Form.POSITION)),
        (Stream.VALID_TRANSACTIONS, "detail=full", Selection(form=Form.FULL)),
        (
            Stream.VALID_BLOCKS,
            "empty_blocks=1",
            Selection(Stream.VALID_BLOCKS, empty_blocks=True),
        ),
        (Stream.VALID_BLOCKS, "empty_blocks=0", Selection(Stream.VALID_BLOCKS)),
        (
            Stream.REFUSED_TRANSACTIONS,
            "detail=position",
            Selection(Stream.REFUSED_TRANSACTIONS, Form.POSITION),
        ),
    ],
)
def test_what_is_selected(stream, query, selection):
    assert NODE_READER.subscription(stream.value, query).selection == selection


@pytest.mark.parametrize(
    "query", [f"asset_id={ID}", f"public_key={KEY}", "operation=CREATE", "detail=full"]
)
@pytest.mark.parametrize("stream", [Stream.VALID_BLOCKS, Stream.REFUSED_TRANSACTIONS])
def test_what_the_other_streams_do_not_have(stream, query):
    with pytest.raises(BadRequest, match="cannot be filtered|detail=full is only for"):
        NODE_READER.subscription(stream.value, query)


def test_a_pull_names_its_stream_and_its_size():
    asked = NODE_READER.pull(
        "stream=valid_blocks&empty_blocks=1&after=5&limit=7&wait=30"
    )

    assert asked.selection == Selection(Stream.VALID_BLOCKS, empty_blocks=True)
    assert (asked.limit, asked.wait) == (7, 30)
    assert NODE_READER.pull("") == Asked(selection=PLAIN)
