"""Archives of mongodump."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mongodb.test_bson import documents_of, same
from tests.mongodb.tools import to_archive, to_bson
from trio_stream.mongodb.archive import MAGIC, Member, members
from trio_stream.mongodb.values import BadDump

END = b"\xff\xff\xff\xff"
EMPTY = MAGIC + to_bson({"version": "0.1"}) + END


def read(data: bytes) -> list[Member]:
    return list(members(io.BytesIO(data).read))


@settings(max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]), st.lists(documents_of, max_size=5)
    )
)
def test_what_is_written_is_read_again(
    made: dict[str, list[dict[str, object]]],
) -> None:
    found = read(to_archive(made, "bigchain"))
    assert {each.database for each in found} <= {"bigchain"}
    for name, expected in made.items():
        assert same(
            [each.document for each in found if each.collection == name], expected
        )


def test_it_may_be_empty() -> None:
    assert read(EMPTY) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is not an archive of mongodump"),
        (b"PK\x03\x04", "it is not an archive of mongodump"),
        (MAGIC, "it ends after its first bytes"),
        (MAGIC + to_bson({})[:-1], "the header is cut off"),
        (MAGIC + to_bson({}), "it is cut off in the list of collections"),
        (EMPTY + to_bson({"db": "a"}) + END, "piece 0 names no collection"),
        (EMPTY + to_bson({"db": "a", "collection": "b"}), "it is cut off in piece 0"),
        (
            EMPTY + to_bson({"db": "a", "collection": "b"}) + b"\x05\0\0\0",
            "piece 0 is cut off",
        ),
        (
            EMPTY + to_bson({"db": "a", "collection": "b"}) + b"\x05\0\0\0\x01" + END,
            "piece 0, document 0: ",
        ),
    ],
)
def test_what_is_wrong_is_named(data: bytes, says: str) -> None:
    with pytest.raises(BadDump, match=says):
        read(data)
