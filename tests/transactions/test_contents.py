from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_stream.transactions import contents
from trio_stream.transactions.contents import LANGUAGES, MAX_DATA_DEPTH
from trio_stream.transactions.errors import (
    IntegerOutOfRange,
    NestingTooDeep,
    SubnormalDouble,
    ValidationError,
)


def _check(text: str) -> None:
    """The text in both places."""
    value = json.loads(text)
    contents.check(value, None)
    contents.check(None, value)


def _nested(levels: int, opening: str, closing: str, value: str = "1") -> str:
    return opening * levels + value + closing * levels


@pytest.mark.parametrize(
    "name", ["", " ", "a$", "_id", "id", "score", "a\n$", "\u0001", "é", "a" * 10_000]
)
def test_names_that_are_fine(name: str) -> None:
    _check(json.dumps({name: 1, "list": [{name: [{name: {}}]}]}))


@pytest.mark.parametrize("name", ["$", "$a", ".", "a.b", "a.", "\0", "a\0b"])
@pytest.mark.parametrize("shape", ["{%s: 1}", '{"a": {%s: 1}}', '{"a": [[{%s: 1}]]}'])
def test_names_that_the_database_cannot_store(name: str, shape: str) -> None:
    value = json.loads(shape % json.dumps(name))
    for where, data, metadata in ("asset", value, None), ("metadata", None, value):
        with pytest.raises(ValidationError) as caught:
            contents.check(data, metadata)
        assert type(caught.value) is ValidationError
        assert str(caught.value) == (
            f'Invalid key name "{name}" in {where} object. The key name cannot contain '
            'characters ".", "$" or null characters'
        )


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_languages_that_the_database_knows(language: str) -> None:
    _check(json.dumps({"a": [{"language": language}]}))


def test_a_language_may_be_none_of_these_where_that_is_allowed() -> None:
    contents.check({"language": 5}, {"a": {"language": "x"}}, languages=False)
    for bad in {"$": 1}, {"a": 2**63}:
        with pytest.raises(ValidationError):
            contents.check(None, {"language": 5, **bad}, languages=False)


@pytest.mark.parametrize(
    "language", ["klingon", "English", "", "en ", 5, 1.0, None, True, [], {"a": "en"}]
)
def test_other_languages(language: object) -> None:
    for value in {"language": language}, {"a": [{"b": 1}, {"language": language}]}:
        with pytest.raises(ValidationError) as caught:
            contents.check(None, value)
        assert type(caught.value) is ValidationError
        assert f'for the language "{language}". If you' in str(caught.value)


def test_all_names_come_before_all_languages_and_those_before_numbers() -> None:
    name, language, number = {"$a": 1}, {"language": "x"}, {"n": 2**63}
    for data, metadata, text in [
        (language, name, "in metadata object"),
        (number, language, "language"),
        (language, number, "language"),
        ({"language": {"$b": 1}}, None, '"$b" in asset object'),
        ({"language": "x", "a": {"language": "y"}}, {"language": "z"}, '"x"'),
        ({"n": [2**64, 2**65]}, number, str(2**64)),
    ]:
        with pytest.raises(ValidationError) as caught:
            contents.check(data, metadata)
        assert text in str(caught.value)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, True, False])
def test_integers_of_64_bits(number: int) -> None:
    _check(json.dumps({"a": [number, {"b": number}]}))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**300])
def test_larger_integers(number: int) -> None:
    for value in {"a": number}, {"a": [number]}, {"a": {"b": number}}:
        with pytest.raises(IntegerOutOfRange):
            contents.check(value, None)
        with pytest.raises(IntegerOutOfRange):
            contents.check(None, value)


@pytest.mark.parametrize("number", ["2.2250738585072014e-308", "0.0", "-0.0", "1e308"])
def test_doubles_that_every_process_reads_alike(number: str) -> None:
    _check(f'{{"a": [{number}], "b": {number}, "c": -{number.lstrip("-")}}}')


@pytest.mark.parametrize("number", ["5e-324", "-5e-324", "2.225073858507201e-308"])
def test_doubles_that_some_processes_read_as_zero(number: str) -> None:
    for text in f'{{"a": {number}}}', f'{{"a": [{number}]}}':
        with pytest.raises(SubnormalDouble):
            _check(text)


@pytest.mark.parametrize("opening, closing", ["[]", ('{"a":', "}")])
def test_depth_is_that_of_the_database(opening: str, closing: str) -> None:
    # The object around is the first level.
    deepest = _nested(MAX_DATA_DEPTH - 1, opening, closing)
    _check(f'{{"a": {deepest}}}')
    for value in "1", "[]", '"a"':
        too_deep = _nested(MAX_DATA_DEPTH, opening, closing, value)
        with pytest.raises(NestingTooDeep):
            _check(f'{{"a": {too_deep}}}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    )
)
def test_every_value_passes_or_is_refused(value: Any) -> None:
    try:
        contents.check(value, value)
    except ValidationError:
        pass
