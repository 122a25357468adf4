"""Prefixes, varints, and cutting a stream into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.abci.vectors import ALL, REQUESTS, Vector
from trio_stream.abci.errors import RemoteProtocolError
from trio_stream.abci.framing import (
    FrameReader,
    Framing,
    detect_framing,
    frame,
    read_varint,
    split_tag,
    varint_size,
    write_varint,
)

LIMIT = 1000


@given(st.integers(0, 2**64 - 1), st.binary(max_size=3), st.binary(max_size=3))
def test_a_varint_reads_back_wherever_it_stands(
    value: int, before: bytes, after: bytes
) -> None:
    written = write_varint(value)

    found = read_varint(before + written + after, len(before))

    assert found == (value, len(before) + len(written))
    assert varint_size(value) == len(written)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9])
def test_an_incomplete_varint_needs_more(data: bytes) -> None:
    assert read_varint(data, 0) is None


@pytest.mark.parametrize("data", [b"\xff" * 10, b"\xff" * 9 + b"\x02"])
def test_a_varint_over_64_bits_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_varint(data, 0)


@pytest.mark.parametrize("tag", [0, 2, 7, 2**32])
def test_an_impossible_tag_is_refused(tag: int) -> None:
    with pytest.raises(RemoteProtocolError):
        split_tag(tag)


@pytest.mark.parametrize("vector", ALL, ids=str)
def test_the_prefix_is_written_as_engines_write_it(vector: Vector) -> None:
    prefix = read_varint(vector.data, 0)
    assert prefix is not None

    assert frame(vector.data[prefix[1] :], vector.framing) == vector.data


@pytest.mark.parametrize("vector", REQUESTS, ids=str)
def test_framing_is_right_as_soon_as_it_is_known(vector: Vector) -> None:
    verdicts = [detect_framing(vector.data[:end]) for end in range(len(vector.data))]

    assert set(verdicts) <= {None, vector.framing}
    assert detect_framing(vector.data) is vector.framing
    assert detect_framing(vector.data[:17]) is vector.framing


@pytest.mark.parametrize("framing", Framing)
@given(number=st.integers(1, 2**29 - 1), member=st.binary(max_size=300))
def test_framing_of_any_first_request_is_found(
    framing: Framing, number: int, member: bytes
) -> None:
    tag = write_varint(number << 3 | 2)
    message = tag + write_varint(len(member)) + member

    assert detect_framing(frame(message, framing)) is framing


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\x12\x00",
        b"\x02\x10\x00",  # a varint member
        b"\x02\x02\x00",  # field 0
        b"\x03\x12\x00",  # neither L nor 2L
        b"\x06\x12\x00",
        b"\xff" * 11,
    ],
)
def test_bytes_that_are_not_abci_are_refused_at_once(data: bytes) -> None:
    reader = FrameReader(limit=LIMIT)
    reader.feed(data)

    with pytest.raises(RemoteProtocolError):
        reader.next_frame()


@pytest.mark.parametrize("framing", Framing)
@given(
    members=st.lists(st.binary(max_size=200), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 40), min_size=1),
)
def test_messages_do_not_depend_on_how_they_arrive(
    framing: Framing, members: list[bytes], cuts: list[int]
) -> None:
    messages = [b"\x0a" + write_varint(len(each)) + each for each in members]
    data = b"".join(frame(each, framing) for each in messages)
    reader = FrameReader(limit=LIMIT)
    found = []

    position = 0
    while position < len(data):
        cut = cuts[position % len(cuts)]
        reader.feed(data[position : position + cut])
        position += cut
        while (message := reader.next_frame()) is not None:
            found.append(message)

    assert found == messages
    assert reader.framing is framing
    assert not reader.unfinished


def test_a_declared_length_over_the_limit_is_refused_before_it_comes() -> None:
    reader = FrameReader(limit=LIMIT)
    member = LIMIT - 2  # the tag and two bytes of length in front: one too many
    reader.feed(write_varint(LIMIT + 1) + b"\x0a" + write_varint(member))

    with pytest.raises(RemoteProtocolError, match="limit"):
        reader.next_frame()


def test_a_message_at_the_limit_passes() -> None:
    reader = FrameReader(limit=LIMIT)
    message = b"\x0a" + write_varint(LIMIT - 3) + bytes(LIMIT - 3)
    reader.feed(frame(message, Framing.SIGNED))

    assert reader.next_frame() == message


@pytest.mark.parametrize(
    ("framing", "prefix"),
    [
        (Framing.SIGNED, b"\x05"),  # negative
        (Framing.SIGNED, b"\x02"),  # a body of one byte
        (Framing.SIGNED, b"\x00"),
        (Framing.UNSIGNED, b"\x01"),
        (Framing.UNSIGNED, b"\xff" * 10),
    ],
)
def test_an_impossible_length_is_refused_later_too(
    framing: Framing, prefix: bytes
) -> None:
    reader = FrameReader(limit=LIMIT)
    reader.feed(frame(b"\x12\x00", framing))
    assert reader.next_frame() == b"\x12\x00"

    reader.feed(prefix + b"\x12\x00")

    with pytest.raises(RemoteProtocolError):
        reader.next_frame()


def test_a_later_length_may_come_in_pieces() -> None:
    message = b"\x0a\x64" + bytes(100)
    reader = FrameReader(limit=LIMIT)
    reader.feed(frame(message, Framing.SIGNED) * 2)
    assert reader.next_frame() == message
    assert reader.next_frame() == message

    data = frame(message, Framing.SIGNED)
    reader.feed(data[:1])
    assert reader.next_frame() is None
    reader.feed(data[1:])
    assert reader.next_frame() == message


def test_only_an_incomplete_message_is_kept() -> None:
    reader = FrameReader(limit=LIMIT)
    reader.feed(frame(b"\x12\x00", Framing.SIGNED) + b"\x04")

    assert reader.next_frame() == b"\x12\x00"
    assert reader.next_frame() is None
    assert reader.unfinished

    reader.feed(b"\x12\x00")
    assert reader.next_frame() == b"\x12\x00"


def test_ready_bytes_may_be_a_whole_message() -> None:
    reader = FrameReader(limit=100, framing=Framing.UNSIGNED)
    reader.feed(b"\x05abc")
    assert reader.ready == reader.unfinished == 4
    assert reader.next_frame() is None
    assert (reader.ready, reader.unfinished) == (0, 4)
    reader.feed(b"de")
    assert reader.ready == 6
    assert reader.next_frame() == b"abcde"
    assert reader.ready == 0
