"""What all query strings share, mostly as a node reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.position import GivenPosition, Position
from trio_stream.stream.query_string import QueryReader, Values, wants_notices
from trio_stream.stream.request import (
    Asked,
    BadRequest,
    FromHeight,
    NamedPlace,
    TransactionId,
)
from trio_stream.stream.selection import PLAIN, Form, Stream

ID = "01" * 32
KEY = "4K9sWUMFwTgaDGPfdynrbxWqWS6sWmKbZoTjxLtVUibD"


@pytest.mark.parametrize(
    "query", ["", "&", "x=1", "_=1699999999&_=2", "%ff=%ff", "=", "t"]
)
def test_names_that_are_not_meant_for_us_are_ignored(query):
    assert NODE_READER.subscription("valid_transactions", query) == Asked(
        selection=PLAIN
    )


@pytest.mark.parametrize(
    ("query", "after"),
    [
        ("after=7:3:0123abcd", GivenPosition(Position(7, 3), "0123abcd")),
        ("after=7%3A3%3A0123abcd", GivenPosition(Position(7, 3), "0123abcd")),
        ("after=7::", GivenPosition(Position.end_of(7), "")),
        ("after=7", GivenPosition(Position.end_of(7), None)),
        (f"after={ID}", TransactionId(ID)),
        ("after=earliest", NamedPlace.EARLIEST),
        ("from_height=7", FromHeight(7)),
        ("from_height=0", FromHeight(0)),
    ],
)
def test_where_it_begins(query, after):
    assert NODE_READER.subscription("valid_blocks", query).after == after


@pytest.mark.parametrize(
    ("query", "until"), [("until=tip", NamedPlace.TIP), ("until=7", 7), ("until=0", 0)]
)
def test_where_it_ends(query, until):
    assert NODE_READER.subscription("valid_transactions", query).until == until


def test_notices_are_opted_in():
    assert NODE_READER.subscription("valid_blocks", "notices=1").notices
    assert not NODE_READER.subscription("valid_blocks", "notices=0").notices


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("after=1&after=1", "after may be given only once"),
        ("from_height=1&from_height=2", "from_height may be given only once"),
        ("until=1&until=tip", "until may be given only once"),
        ("after=1&from_height=2", "give either after or from_height, not both"),
        ("after=", "after must be a position"),
        ("after", "after must be a position"),
        ("after=tip", "after must be a position"),
        ("after=-1", "after must be a position"),
        (f"after={ID.upper().replace('1', 'G')}", "after must be a position"),
        ("from_height=", "from_height must be a height"),
        ("from_height=x", "from_height must be a height"),
        (f"from_height={'9' * 19}", "from_height must be a height"),
        ("until=later", "until must be tip or a height"),
        ("detail=everything", "detail must be position or full"),
        ("notices=yes", "notices must be 1 or 0"),
        ("notices=", "notices must be 1 or 0"),
        ("asset_id=x", "asset_id must be 64"),
        ("asset_id=", "asset_id must be 64"),
        ("public_key=0", "public_key must be a public key"),
        (f"public_key={'1' * 65}", "public_key must be a public key"),
        ("operation=create", "operation must be one of"),
        ("detail=plain", "detail must be position or full"),
        ("empty_blocks=1", "empty_blocks is only for valid_blocks"),
        ("empty_blocks=0", "empty_blocks is only for valid_blocks"),
        ("since=5", "unknown parameter 'since'; did you mean 'after'?"),
        ("from=5", "unknown parameter 'from'; did you mean 'from_height'?"),
        ("afer=5", "unknown parameter 'afer'; did you mean 'after'?"),
        ("asset=5", "unknown parameter 'asset'; did you mean 'asset_id'?"),
        ("limit=5", "'limit' belongs to /api/v1/events"),
        ("limits=5", "'limit' belongs to /api/v1/events"),
        ("wait=5", "'wait' belongs to /api/v1/events"),
        ("after=5&x=1", "unknown parameter 'x' beside 'after'; known: from_height, "),
        ("x=1&notices=1", "unknown parameter 'x' beside 'notices'"),
    ],
)
def test_what_is_refused(query, told):
    with pytest.raises(BadRequest, match=r".") as caught:
        NODE_READER.subscription("valid_transactions", query)

    assert told in str(caught.value)


def test_a_refusal_knows_whether_notices_were_asked_for():
    for query, notices in [("after=x&notices=1", True), ("after=x&notices=2", False)]:
        with pytest.raises(BadRequest) as caught:
            NODE_READER.subscription("valid_transactions", query)
        assert caught.value.notices is notices


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=1001", "limit must be a number from 1 to 1000"),
        ("limit=x", "limit must be a number"),
        ("limit=0", "limit must be a number"),
        ("wait=31", "wait must be a number from 0 to 30"),
        ("stream=blocks", "stream must be valid_transactions or valid_blocks or"),
        ("notices=1", "'notices' belongs to the streams"),
        ("count=5", "did you mean 'limit'?"),
    ],
)
def test_what_a_pull_is_refused_for(query, told):
    with pytest.raises(BadRequest) as caught:
        NODE_READER.pull(query)
    assert told in str(caught.value)


@given(st.sampled_from(Stream), st.text())
def test_any_query_is_read_or_refused(stream, query):
    for parse in (
        lambda: NODE_READER.subscription(stream.value, query),
        lambda: NODE_READER.pull(query),
    ):
        try:
            parse()
        except BadRequest:
            pass


def test_each_kind_of_chain_has_streams_names_and_ids_of_its_own():
    def selection(stream: str, values: Values) -> tuple[str, Form, list[str]]:
        return stream, values.form(), list(values.every("colour"))

    reader = QueryReader(["a", "b"], ["colour"], selection, id_pattern=re.compile("x+"))

    asked = reader.subscription("b", "colour=red&colour=&detail=full&after=xx")
    assert asked.selection == ("b", Form.FULL, ["red", ""])
    assert asked.after == TransactionId("xx")
    assert reader.pull("stream=b").selection == ("b", Form.PLAIN, [])
    assert reader.pull("").selection == ("a", Form.PLAIN, [])
    with pytest.raises(BadRequest, match="stream must be a or b, not 'c'"):
        reader.pull("stream=c")
    with pytest.raises(BadRequest, match="did you mean 'colour'"):
        reader.pull("color=red")
    with pytest.raises(BadRequest, match="after must be a position"):
        reader.after(ID)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", False),
        ("notices=1", True),
        ("a=1&notices=1", True),
        ("notices=1&notices=1", False),
        ("notices=0", False),
        ("notices", False),
    ],
)
def test_notices_are_asked_for_of_whatever_stream(query, found):
    assert wants_notices(query) is found
