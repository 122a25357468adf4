"""Which numbering and which dialect a peer speaks."""

from __future__ import annotations

import pytest

from tests.abci.engine_side import DIALECTS, encode_request
from tests.abci.vectors import NEVER_FIRST, REQUESTS, Vector
from trio_stream.abci import messages as m
from trio_stream.abci.dialects import Codec, detect_codec, name_from_info
from trio_stream.abci.errors import RemoteProtocolError
from trio_stream.abci.framing import Framing, read_varint, write_varint

FIRST = [v for v in REQUESTS if (v.dialect, v.kind) not in NEVER_FIRST]


def member(number: int, body: bytes) -> bytes:
    return write_varint(number << 3 | 2) + write_varint(len(body)) + body


@pytest.mark.parametrize("vector", FIRST, ids=str)
def test_the_numbering_is_found_in_the_first_message(vector: Vector) -> None:
    prefix = read_varint(vector.data, 0)
    assert prefix is not None

    codec = detect_codec(vector.framing, vector.data[prefix[1] :])

    assert codec is DIALECTS[vector.dialect].codec
    assert codec.framing is vector.framing


@pytest.mark.parametrize("name", ["T31", "T33", "T34"])
@pytest.mark.parametrize(
    "request_",
    [
        m.Flush(),
        m.BeginBlock("", 0, m.Time(0, 0)),  # all fields zero
        m.CheckTx(b""),
        m.CheckTx(b"\x12\x00\x1a\x00"),  # looks like BeginBlock inside
        m.InitChain(m.Time(0, 0), "", (), b"", 1, True),
    ],
    ids=repr,
)
def test_no_first_message_of_an_engine_is_misjudged(
    name: str, request_: m.Request
) -> None:
    dialect = DIALECTS[name]
    data = encode_request(request_, dialect)
    prefix = read_varint(data, 0)
    assert prefix is not None

    assert detect_codec(Framing.SIGNED, data[prefix[1] :]) is dialect.codec


def test_old_echo_and_old_set_option_are_known_too() -> None:
    assert detect_codec(Framing.SIGNED, member(2, b"\x0a\x01x")) is Codec.SIGNED_OLD
    assert detect_codec(Framing.SIGNED, member(5, b"\x0a\x01x")) is Codec.SIGNED_OLD


def test_an_unknown_number_counts_as_new() -> None:
    assert detect_codec(Framing.SIGNED, member(77, b"")) is Codec.SIGNED_NEW


def test_fields_of_fixed_width_are_skipped() -> None:
    body = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x12\x00"

    assert detect_codec(Framing.SIGNED, member(8, body)) is Codec.SIGNED_OLD


@pytest.mark.parametrize(
    "body",
    [
        b"\x80",  # half a tag
        b"\x08\x80",  # half a varint
        b"\x12\x05abc",  # a member longer than what there is
        b"\x09abc",  # half a fixed64
        b"\x0b\x0c",  # a group
        b"\x02\x00",  # field 0
        b"\x08\x00" * 20_001,
    ],
)
def test_a_first_message_that_can_not_be_scanned_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        detect_codec(Framing.SIGNED, member(8, body))


@pytest.mark.parametrize("message", [b"", b"\x0a"])
def test_a_first_message_without_member_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        detect_codec(Framing.SIGNED, message)


@pytest.mark.parametrize(
    ("codec", "version", "abci_version", "name"),
    [
        (Codec.SIGNED_OLD, "0.31.5", "", "T31"),
        (Codec.SIGNED_OLD, "0.32.0-abcdef", "", "T31"),
        (Codec.SIGNED_OLD, "0.32.14", "", "T32"),
        (Codec.SIGNED_OLD, "0.33.9-606d0a89", "", "T33"),
        (Codec.SIGNED_OLD, "", "", "T31-T33"),
        (Codec.SIGNED_NEW, "", "", "T34"),
        (Codec.UNSIGNED, "0.37.16", "1.0.0", "C37"),
        (Codec.UNSIGNED, "0.38.26", "2.0.0", "C38"),
        (Codec.UNSIGNED, "0.39.0", "2.0.0", "C39"),
        (Codec.UNSIGNED, "0.40.1", "2.0.0", "C39"),
        (Codec.UNSIGNED, "1.0.1", "2.1.0", "C10"),
        (Codec.UNSIGNED, "9.9.9", "3.0.0", "C37-C10"),
    ],
)
def test_info_names_the_dialect(
    codec: Codec, version: str, abci_version: str, name: str
) -> None:
    assert name_from_info(codec, m.Info(version, abci_version)) == name
