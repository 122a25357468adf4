"""Keys as text: base58 in the Bitcoin alphabet, read as leniently as the reference."""

from __future__ import annotations

_ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_NO_DIGIT = 0xFF
_DIGITS = bytes(
    _ALPHABET.index(octet) if octet in _ALPHABET else _NO_DIGIT for octet in range(256)
)

KEY_LENGTH = 32

# No text of more digits gives 32 bytes: a leading "1" is a whole byte, and 58**44 is
# the first power of 58 above 2**256. Reading takes quadratic time, so this is also a
# limit.
_MAX_KEY_DIGITS = 44


def decode_key(text: str) -> bytes | None:
    """The 32 bytes of a key, or None; trailing white space is ignored."""
    digits = text.rstrip()
    if len(digits) > _MAX_KEY_DIGITS or not digits.isascii():
        return None
    values = digits.encode("ascii").translate(_DIGITS)
    if _NO_DIGIT in values:
        return None
    number = 0
    for value in values:
        number = number * 58 + value
    zeros = len(values) - len(values.lstrip(b"\0"))
    length = zeros + (number.bit_length() + 7) // 8
    return number.to_bytes(KEY_LENGTH, "big") if length == KEY_LENGTH else None


def encode(data: bytes) -> str:
    """The text of `data`, which should be short: this takes quadratic time."""
    number = int.from_bytes(data, "big")
    digits = bytearray()
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    digits.extend(_ALPHABET[:1] * (len(data) - len(data.lstrip(b"\0"))))
    return digits[::-1].decode("ascii")
