"""Parameters: what is accepted, what is refused with which text, and which fault comes first."""

from __future__ import annotations

import pytest

from trio_stream.http import parameters
from trio_stream.http.parameters import EarlyAnswer, Given

MISSING = (
    "Missing required parameter in the JSON body or the post body or the query string"
)


def refused(query: bytes, name: str, read: object = str) -> bytes:
    with pytest.raises(EarlyAnswer) as caught:
        Given(query).required(name, read)  # type: ignore[arg-type]
    assert caught.value.answer.status == 400
    return caught.value.answer.body


def test_a_parameter_may_be_missing_or_must_not() -> None:
    assert Given(b"").optional("limit", int) is None
    assert refused(b"a=1", "limit", int) == (
        b'{"message": {"limit": "%b"}}\n' % MISSING.encode()
    )


def test_an_empty_value_is_a_value() -> None:
    for query in (b"search=", b"search"):
        assert Given(query).required("search", str) == ""


def test_the_first_value_counts_and_all_are_checked() -> None:
    given = Given(b"limit=2&limit=1")
    assert given.required("limit", int) == 2
    assert b"'x'" in refused(b"limit=2&limit=x&limit=y", "limit", int)


def test_names_and_values_are_unescaped() -> None:
    given = Given(b"se%61rch=a%20b+%C3%A9%ff")
    assert given.required("search", str) == "a b é�"


def test_unknown_parameters_are_named_in_the_order_of_the_query() -> None:
    given = Given(b"foo=1&key=2&bar=3&foo=4&%C3%A9=")
    given.required("key", str)
    with pytest.raises(EarlyAnswer) as caught:
        given.nothing_else()
    assert caught.value.answer.body == (
        b'{"message": "Unknown arguments: foo, bar, \\u00e9"}\n'
    )


def test_nothing_is_unknown_that_was_asked_for() -> None:
    given = Given(b"a=1")
    given.optional("a", str)
    given.optional("b", str)
    given.nothing_else()


def test_a_name_that_resembles_one_that_was_asked_for_is_misspelt() -> None:
    given = Given(b"foo=1&Keyy=2&keys=3")
    given.optional("key", str)
    with pytest.raises(EarlyAnswer) as caught:
        given.nothing_misspelt()
    assert caught.value.answer.body == (
        b'{"message": "Unknown arguments: Keyy. Did you mean key?"}\n'
    )


def test_a_name_that_resembles_none_is_not_misspelt() -> None:
    given = Given(b"foo=1&key=2&_=3")
    given.optional("key", str)
    given.nothing_misspelt()


@pytest.mark.parametrize("text", ["a" * 64, "0123456789ABCDEFabcdef" + "0" * 42])
def test_a_hash_has_64_hex_digits_of_any_case(text: str) -> None:
    assert parameters.hash_text(text) == text.lower()
    assert parameters.hash_text(text + "\n") == text.lower() + "\n"


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "g" * 64, "a" * 64 + " "])
def test_what_is_not_a_hash(text: str) -> None:
    with pytest.raises(ValueError, match="^Invalid hash$"):
        parameters.hash_text(text)


def test_operations() -> None:
    assert parameters.operation("create") == "CREATE"
    assert parameters.operation("Transfer") == "TRANSFER"
    for text in ("", "VOTE", "CREATE "):
        with pytest.raises(ValueError, match='^Operation must be "CREATE" or "TRANSF'):
            parameters.operation(text)


def test_booleans() -> None:
    assert parameters.boolean("TRUE") is True
    assert parameters.boolean("False") is False
    for text in ("", "1", "yes", "true "):
        with pytest.raises(
            ValueError, match='^Boolean value must be "true" or "false"'
        ):
            parameters.boolean(text)


def test_keys_are_known_by_their_looks() -> None:
    for text in ("1" * 43, "z" * 44):
        assert parameters.public_key(text) == text
    for text in ("", "1" * 42, "1" * 45, "0" * 43, "O" * 43, "I" * 43, "l" * 43):
        with pytest.raises(ValueError, match="^Invalid base58 ed25519 key$"):
            parameters.public_key(text)


def test_counts() -> None:
    assert parameters.count("007") == 7
    for text in ("", "0", "-1", "x", "1.0", "9" * 19, "٣"):
        with pytest.raises(ValueError, match="greater than 0"):
            parameters.count(text)


def test_outputs_by_transaction_and_index() -> None:
    assert parameters.output("a" * 64 + ":12") == ("a" * 64, 12)
    for text in ("", "a" * 64, ":1", "a" * 64 + ":-1", "a" * 64 + ":123456789"):
        with pytest.raises(ValueError, match="Must be <transaction_id>:<output_index>"):
            parameters.output(text)


def test_whole_numbers_are_those_of_python_and_so_are_their_errors() -> None:
    assert [parameters.whole(text) for text in (" 7 ", "-1", "1_000")] == [7, -1, 1000]
    with pytest.raises(ValueError, match=r"for int\(\) with base 10: 'x'$"):
        parameters.whole("x")
    with pytest.raises(ValueError) as caught:
        parameters.whole("x" * 1000)
    assert len(str(caught.value)) < 300
