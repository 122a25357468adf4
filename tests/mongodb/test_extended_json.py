"""Extended JSON in all the forms that mongoexport writes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mongodb.test_bson import same
from tests.mongodb.tools import JSON, OID, to_array, to_lines, to_pretty
from trio_stream.mongodb import extended_json
from trio_stream.mongodb.extended_json import documents
from trio_stream.mongodb.values import MAX_DEPTH, BadDump, Foreign

WRITERS = [to_lines, to_array, to_pretty]
# A name with a dollar would be an operator, so the server stores none.
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
plain = st.dictionaries(names, values, max_size=3)


def read(text: str) -> list[Any]:
    return list(documents(io.StringIO(text).read))


@settings(max_examples=50)
@given(
    st.sampled_from(list(JSON)),
    st.sampled_from(WRITERS),
    st.lists(plain, max_size=3),
)
def test_what_is_written_is_read_again(
    form: str, write: Callable[[Any, str], str], made: list[dict[str, Any]]
) -> None:
    assert same(read(write(made, form)), made)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("write", WRITERS)
def test_however_it_is_cut_into_pieces(
    piece: int,
    write: Callable[[Any, str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(extended_json, "PIECE", piece)
    made = [{"a": [1, {"b": "}"}], "n": n} for n in range(5)]
    text = write(made, "canonical")
    assert read(text) == made
    # Some streams return less than they are asked for.
    stream = io.StringIO(text)
    assert list(documents(lambda size: stream.read(min(size, 3)))) == made


@pytest.mark.parametrize("text", ["", "\n", "[]", "[]\n", " [ ] ", "\ufeff"])
def test_there_may_be_none(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"$oid": "00"}', "ObjectId"),
        ('{"$date": "2020"}', "date"),
        ('{"$date": {"$numberLong": "5"}}', "date"),
        ('{"$timestamp": {"t": 5, "i": 1}}', "timestamp"),
        ('{"$binary": "aa", "$type": "00"}', "binary"),
        ('{"$binary": {"base64": "", "subType": "00"}}', "binary"),
        ('{"$numberDecimal": "1"}', "decimal"),
    ],
)
def test_types_that_json_lacks_are_not_kept(text: str, kind: str) -> None:
    ((found,),) = (each.values() for each in read(f'{{"x": {text}}}'))
    assert isinstance(found, Foreign)
    assert found.kind == kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1}{"b"', "document 1 is cut off, or is not JSON: '{\"b\"'"),
        ('[{"a": 1}', "document 1 is cut off"),
        ("[", "document 0 is cut off"),
        ("{a: 1}", "document 0 is cut off, or is not JSON"),
        ('{"a": 1}]', "document 1 is cut off, or is not JSON"),
        ("5", "document 0 is not an object"),
        ("[[]]", "document 0 is not an object"),
        ('{"$oid": "5"}', "document 0 is not an object"),
        ('{"a": NaN}', "document 0: NaN is not a number"),
        ('{"a": {"$numberLong": "x"}}', "document 0: invalid literal"),
        ('{"a": {"$numberLong": 5}}', "document 0: .numberLong must be a string"),
        ('{"a": ' + "[" * 100_000, "document 0: .*recursion"),
        (
            '{"a": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}",
            f"document 0: more than {MAX_DEPTH} levels",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(BadDump, match=says):
        read(text)


def test_nothing_endless_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extended_json, "MAX_TEXT", 100)
    monkeypatch.setattr(extended_json, "PIECE", 10)
    with pytest.raises(BadDump, match="document 0 is longer than 100 characters"):
        read('{"a": "' + "x" * 200)


def test_an_object_id_is_in_every_document() -> None:
    (found,) = read(to_lines([{"_id": OID, "height": 1}], "relaxed"))
    assert found["height"] == 1
    assert isinstance(found["_id"], Foreign)


def test_other_names_with_a_dollar_are_left_as_they_are() -> None:
    assert read('{"a": {"$unknown": 1}}') == [{"a": {"$unknown": 1}}]
