"""BSON: what mongodump writes is read, and nothing is believed."""

from __future__ import annotations

import io
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mongodb.tools import OID, to_bson
from trio_stream.mongodb.bson import decode, documents
from trio_stream.mongodb.values import MAX_DEPTH, MAX_DOCUMENT, BadDump, Foreign

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
documents_of = st.dictionaries(names, values, max_size=3)


def read(data: bytes) -> list[Any]:
    return list(documents(io.BytesIO(data).read))


def same(one: object, other: object) -> bool:
    """Whether they are equal, kinds of numbers and signs of zeros included."""
    return repr(one) == repr(other)


@given(st.lists(documents_of, max_size=3))
def test_what_is_written_is_read_again(made: list[dict[str, Any]]) -> None:
    assert same(read(b"".join(map(to_bson, made))), made)


def test_a_document_of_the_specification_is_read() -> None:
    # bsonspec.org: {"hello": "world"} and {"BSON": ["awesome", 5.05, 1986]}
    data = b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00"
    data += (
        b"\x31\x00\x00\x00\x04BSON\x00\x26\x00\x00\x00\x02\x30\x00\x08\x00\x00"
        b"\x00awesome\x00\x01\x31\x00\x33\x33\x33\x33\x33\x33\x14\x40\x10\x32\x00"
        b"\xc2\x07\x00\x00\x00\x00"
    )
    assert read(data) == [{"hello": "world"}, {"BSON": ["awesome", 5.05, 1986]}]


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (1.0, "1.0"), (-0.0, "-0.0"), (2**31, "2147483648"), (2**53 + 1, None)],
)
def test_numbers_keep_their_kind(number: float, text: str | None) -> None:
    (found,) = read(to_bson({"n": number}))
    assert repr(found["n"]) == (text or repr(number))


def test_doubles_that_are_no_json_are_left_to_others() -> None:
    (found,) = read(to_bson({"a": math.inf, "b": math.nan}))
    assert repr(found) == "{'a': inf, 'b': nan}"


@pytest.mark.parametrize(
    ("element", "kind"),
    [
        (b"\x07x\0" + b"o" * 12, "ObjectId"),
        (b"\x09x\0" + b"d" * 8, "date"),
        (b"\x11x\0" + b"t" * 8, "timestamp"),
        (b"\x13x\0" + b"d" * 16, "decimal"),
        (b"\x05x\0" + struct.pack("<i", 3) + b"\x00abc", "binary"),
    ],
)
def test_other_types_are_skipped(element: bytes, kind: str) -> None:
    element += b"\x10after\0\x05\0\0\0"
    (found,) = read(struct.pack("<i", len(element) + 5) + element + b"\0")
    assert isinstance(found["x"], Foreign)
    assert found["x"].kind == kind
    assert found["after"] == 5


def document(elements: bytes, length: int | None = None) -> bytes:
    return struct.pack("<i", length or len(elements) + 5) + elements + b"\0"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x05\0", "document 0 is cut off"),
        (document(b"")[:-1], "document 0 is cut off"),
        (to_bson({}) + b"\x06\0\0\0\0", "document 1 is cut off"),
        (b"\x04\0\0\0", "can't have a length of 4 bytes"),
        (b"\xff\xff\xff\xff", "can't have a length of -1 bytes"),
        (struct.pack("<i", MAX_DOCUMENT + 1), f"a length of {MAX_DOCUMENT + 1} bytes"),
        (b"\x05\0\0\0\x01", "a document in it has a wrong length"),
        (document(b"\x08x\0"), "a document in it has a wrong length"),
        (document(b"\x01x\0"), "a value in it has a wrong length"),
        (document(b"\x10x"), "document 0: "),
        (document(b"\x02x\0\0\0\0\0"), "the string 'x' has a wrong length"),
        (document(b"\x02x\0\x01\0\0\0a"), "the string 'x' has a wrong length"),
        (document(b"\x02x\0\xff\xff\xff\xff"), "a value in it has a wrong length"),
        (document(b"\x02x\0\x02\0\0\0\xff\0"), "document 0: .*utf-8"),
        (document(b"\x02\xff\0\x02\0\0\0a\0"), "document 0: .*utf-8"),
        (document(b"\x03x\0\x05\0\0\0\x01"), "a document in it has a wrong length"),
        (document(b"\x03x\0\x00\x01\0\0\0"), "a document in it has a wrong length"),
        (document(b"\x03x\0\xff\xff\xff\xff\0"), "a document in it has a wrong length"),
        (document(b"\x05x\0\xff\xff\xff\xff\0"), "a value in it has a wrong length"),
        (document(b"\x0bx\0a\0b\0"), "'x' is of type 0x0b, which is not read"),
        (document(b"\0"), "document 0: "),
    ],
)
def test_what_is_wrong_is_named(data: bytes, says: str) -> None:
    with pytest.raises(BadDump, match=says):
        read(data)


def test_a_document_ends_where_it_says() -> None:
    with pytest.raises(BadDump, match="it goes on after its end"):
        decode(to_bson({}) + b"\0", "it")


@given(documents_of, st.data())
def test_a_damaged_document_is_read_or_refused(
    made: dict[str, Any], data: st.DataObject
) -> None:
    written = bytearray(to_bson(made))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    try:
        read(bytes(written))
    except BadDump:
        pass


def test_depth_has_a_limit() -> None:
    data = document(b"")
    for _ in range(MAX_DEPTH):
        data = document(b"\x03x\0" + data)
    assert read(data)
    with pytest.raises(BadDump, match=f"more than {MAX_DEPTH} levels"):
        read(document(b"\x03x\0" + data))


def test_an_object_id_is_in_every_document() -> None:
    (found,) = read(to_bson({"_id": OID, "height": 1}))
    assert found["height"] == 1
    assert isinstance(found["_id"], Foreign)
