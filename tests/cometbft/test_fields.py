from __future__ import annotations

from collections.abc import Callable

import pytest

from trio_stream.cometbft import fields
from trio_stream.cometbft.errors import Malformed


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (fields.members, {"a": 1}, {"a": 1}),
        (fields.elements, [1], [1]),
        (fields.elements, None, ()),
        (fields.integer, None, 0),
        (fields.integer, 7, 7),
        (fields.integer, "-7", -7),
        (fields.integer, "18446744073709551615", 2**64 - 1),
        (fields.code, "4294967295", 2**32 - 1),
        (fields.code, None, 0),
        (fields.height, "1", 1),
        (fields.store_height, 0, 0),
        (fields.text, None, ""),
        (fields.text, "a", "a"),
        (fields.octets, None, b""),
        (fields.octets, "YQ==", b"a"),
        (fields.digest, None, b""),
        (fields.digest, "00aF", b"\0\xaf"),
    ],
)
def test_what_is_read(
    read: Callable[[object, str], object], value: object, expected: object
) -> None:
    assert read(value, "it") == expected


@pytest.mark.parametrize(
    ("read", "values"),
    [
        (fields.members, [None, [], "", 1]),
        (fields.elements, [{}, "", 0, False]),
        (
            fields.integer,
            [True, 1.0, "", "x", "1" * 21, "١", 2**64, -(2**63) - 1, [], "99" * 10],
        ),
        (fields.code, [-1, 2**32, "x"]),
        (fields.height, [None, 0, -1, 10**11 + 1, "9" * 19]),
        (fields.store_height, [-1, "9" * 19]),
        (fields.text, [0, b"", [], {}]),
        (fields.octets, [0, "YQ", "YQ==YQ==", "Y Q=", "é"]),
        (fields.digest, [0, "0", "0g", "0x00", "é"]),
    ],
)
def test_what_is_malformed(
    read: Callable[[object, str], object], values: list[object]
) -> None:
    for value in values:
        with pytest.raises(Malformed, match="^it is"):
            read(value, "it")
