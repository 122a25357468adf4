from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transactions.documents import element
from trio_stream.transactions import der


def _whole(data: bytes) -> der.Element:
    return der.read_element(data, 0, len(data))


@given(st.integers(0, 30), st.binary(max_size=300))
def test_what_is_written_is_read(number: int, contents: bytes) -> None:
    data = der.write(0x80 | number, contents)
    found = _whole(data)
    assert found.is_context(number)
    assert not found.constructed
    assert found.stop == len(data)
    assert der.read_octets(data, found, number) == contents


@given(st.integers(0, 2**70))
def test_an_integer_is_written_in_the_shortest_form_and_read(value: int) -> None:
    data = der.write_integer(0x81, value)
    assert der.read_integer(data, _whole(data), 1) == value
    contents = data[2:]
    assert len(contents) == 1 or contents[0] or contents[1] & 0x80


@given(st.integers(0, 31))
def test_type_bits_are_written_and_read(types: int) -> None:
    data = der.write_type_bits(0x82, types)
    assert der.read_type_bits(data, _whole(data), 2) == types


def test_type_bits_are_written_without_trailing_zeros() -> None:
    assert der.write_type_bits(0x82, 1 << 4).hex() == "82020308"
    assert der.write_type_bits(0x82, 1 << 0).hex() == "82020780"
    assert der.write_type_bits(0x82, 0).hex() == "820100"


def test_a_set_is_written_in_order() -> None:
    assert der.write_set(0xA0, [b"\x02\x01\x07", b"\x01\x01\xff"]).hex() == (
        "a006" "0101ff" "020107"
    )


@given(st.lists(st.binary(max_size=3), max_size=4))
def test_members_are_read_if_they_are_as_many_as_expected(values: list[bytes]) -> None:
    data = der.write(0xA0, *(der.write(0x80, value) for value in values))
    members = der.read_members(data, _whole(data), len(values))
    assert [der.read_octets(data, each, 0) for each in members] == values
    assert der.read_set(data, _whole(data), 0) == members
    for wrong in {len(values) + 1, len(values) - 1} - {-1}:
        with pytest.raises(der.Unreadable):
            der.read_members(data, _whole(data), wrong)


def test_tags_and_lengths_may_have_long_forms() -> None:
    for spelled in "8001ff", "808101ff", "80820001ff", "9f0001ff", "9f800001ff":
        data = bytes.fromhex(spelled)
        found = _whole(data)
        assert found.is_context(0)
        assert der.read_octets(data, found, 0) == b"\xff"


@pytest.mark.parametrize(
    "spelled", ["", "80", "8002ff", "8081", "808201", "8080ff0000", "9f", "9f80"]
)
def test_what_is_cut_short_or_of_indefinite_length_is_unreadable(spelled: str) -> None:
    with pytest.raises(der.Unreadable):
        _whole(bytes.fromhex(spelled))


def test_a_value_ends_within_its_parent() -> None:
    data = bytes.fromhex("a0038004ff") + bytes(10)
    with pytest.raises(der.Unreadable):
        der.read_members(data, _whole(data), 1)


def test_a_number_that_overflows_is_not_a_small_one() -> None:
    # 2^32, then 0: a reader that wraps would see the number 0.
    data = bytes.fromhex("9f908080808000" "00")
    assert not _whole(data).is_context(0)


def test_a_megabyte_of_tag_takes_linear_time() -> None:
    with pytest.raises(der.Unreadable):
        _whole(b"\x9f" + b"\xff" * 1_000_000)


@pytest.mark.parametrize(
    "fragments, contents",
    [
        ([], b""),
        ([element(0x04, b"ab"), element(0x04), element(0x24, b"c")], b"abc"),
        ([element(0xA7, b"ab"), element(0x61, b"c")], b"abc"),
    ],
)
def test_octets_in_fragments(fragments: list[bytes], contents: bytes) -> None:
    data = element(0xA0, *fragments)
    assert der.read_octets(data, _whole(data), 0) == contents


@pytest.mark.parametrize("tag", [0x02, 0x30, 0x80, 0x41, 0xC0])
def test_fragments_of_another_type_are_unreadable(tag: int) -> None:
    data = element(0xA0, element(tag, b"ab"))
    with pytest.raises(der.Unreadable):
        der.read_octets(data, _whole(data), 0)


def test_another_tag_than_expected_is_unreadable() -> None:
    data = element(0xA1, element(0x80, b"\0"))
    with pytest.raises(der.Unreadable):
        der.read_octets(data, _whole(data), 0)
    with pytest.raises(der.Unreadable):
        der.read_set(data, _whole(data), 0)
    with pytest.raises(der.Unreadable):
        der.read_integer(data, _whole(data), 1)
    with pytest.raises(der.Unreadable):
        der.read_type_bits(data, _whole(data), 2)


def test_sequences_and_sets_are_constructed() -> None:
    data = element(0x80, element(0x80))
    with pytest.raises(der.Unreadable):
        der.read_members(data, _whole(data), 1)
    with pytest.raises(der.Unreadable):
        der.read_set(data, _whole(data), 0)


@pytest.mark.parametrize(
    "contents, value", [("", 0), ("00", 0), ("000001", 1), ("ff", -1), ("80", -128)]
)
def test_integers_are_signed_and_may_be_padded(contents: str, value: int) -> None:
    data = element(0x81, bytes.fromhex(contents))
    assert der.read_integer(data, _whole(data), 1) == value


@pytest.mark.parametrize(
    "contents, types",
    [
        ("00", []),
        ("0308", [4]),
        ("0008", [4]),
        ("03f8", [0, 1, 2, 3, 4]),
        ("00ffffffff", [0, 1, 2, 3, 4]),
        ("0780", [0]),
        ("07ff", [0]),
        ("080f", None),
        ("01", None),
        ("", None),
    ],
)
def test_bits_beyond_the_types_do_not_count(
    contents: str, types: list[int] | None
) -> None:
    data = element(0x82, bytes.fromhex(contents))
    if types is None:
        with pytest.raises(der.Unreadable):
            der.read_type_bits(data, _whole(data), 2)
    else:
        assert der.read_type_bits(data, _whole(data), 2) == sum(1 << i for i in types)


def test_bits_in_fragments() -> None:
    fragments = element(0x03, b"\x07\x80"), element(0x23, b"\x04\x10")
    data = element(0xA2, *fragments)
    assert der.read_type_bits(data, _whole(data), 2) == 1 << 0 | 1 << 4
    enough = element(0xA2, element(0x03, b"\x00\x08"), element(0x03, b"\x00\xff"))
    assert der.read_type_bits(enough, _whole(enough), 2) == 1 << 4
    empty = element(0xA2, element(0x03))
    with pytest.raises(der.Unreadable):
        der.read_type_bits(empty, _whole(empty), 2)


def test_a_long_length_is_written_in_as_few_octets_as_it_takes() -> None:
    assert der.write(4, b"x" * 127) == b"\x04\x7f" + b"x" * 127
    assert der.write(4, b"x" * 100, b"y" * 28)[:3] == b"\x04\x81\x80"
    assert der.write(4, b"x" * 300)[:4] == b"\x04\x82\x01\x2c"
