"""Tag, length, value: the bytes that conditions and fulfillments are made of.

Writing is DER. Reading accepts what the reference's reader (pyasn1 0.4.8 under
`cryptoconditions`) accepts, which is more than DER and less than BER: nodes that
disagree about whether a transaction can be read would diverge for ever. So every
oddity below is deliberate, and compared with that reader in the tests:

- lengths and tags in long forms, but no indefinite length;
- a tag is its class and number; whether it is constructed matters only to
  sequences, sets and integers;
- strings in constructed form: fragments whose *contents* are taken as they are,
  under a universal tag of the right number, or any constructed one that is not
  universal.

Reading is linear in the size of the data, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

UNIVERSAL = 0x00
CONTEXT = 0x80

_CONSTRUCTED = 0x20
_CLASS = 0xC0
_LOW_NUMBER = 0x1F
_BIT_STRING = 3
_OCTET_STRING = 4

# Tag numbers stop growing here: far above any known one, and small enough that a
# tag of a megabyte takes linear time.
_SATURATED = 1 << 20

TYPE_BITS = 5
"""Bits of a BIT STRING that stand for types; the reference ignores further ones."""


class Unreadable(Exception):
    """The reference's reader would not have accepted these bytes."""


class Element(NamedTuple):
    """A tag and where its contents are."""

    tag_class: int
    constructed: bool
    number: int
    start: int
    stop: int

    def is_context(self, number: int) -> bool:
        """Whether it is tagged [number]."""
        return self.tag_class == CONTEXT and self.number == number


def read_element(data: bytes, at: int, end: int) -> Element:
    """The element that starts at `at`; its contents end at or before `end`."""
    if at >= end:
        raise Unreadable("no tag")
    first = data[at]
    at += 1
    number = first & _LOW_NUMBER
    if number == _LOW_NUMBER:
        number, at = _read_high_number(data, at, end)
    length, at = _read_length(data, at, end)
    if at + length > end:
        raise Unreadable("a value is cut short")
    return Element(first & _CLASS, bool(first & _CONSTRUCTED), number, at, at + length)


def read_members(data: bytes, parent: Element, count: int) -> list[Element]:
    """The members of a sequence that has exactly `count` of them."""
    members: list[Element] = []
    at = _start_inside(parent)
    while at < parent.stop:
        if len(members) == count:
            raise Unreadable("too many members")
        members.append(read_element(data, at, parent.stop))
        at = members[-1].stop
    if len(members) < count:
        raise Unreadable("members are missing")
    return members


def read_set(data: bytes, parent: Element, number: int) -> list[Element]:
    """The members of a set that is tagged [number], in the order of the bytes."""
    if not parent.is_context(number):
        raise Unreadable("another member was due")
    members = []
    at = _start_inside(parent)
    while at < parent.stop:
        members.append(read_element(data, at, parent.stop))
        at = members[-1].stop
    return members


def read_octets(data: bytes, element: Element, number: int) -> bytes:
    """The contents of an OCTET STRING that is tagged [number]."""
    if not element.is_context(number):
        raise Unreadable("another member was due")
    if not element.constructed:
        return data[element.start : element.stop]
    return b"".join(_fragments(data, element, _OCTET_STRING))


def read_integer(data: bytes, element: Element, number: int) -> int:
    """The value of an INTEGER that is tagged [number]."""
    if not element.is_context(number) or element.constructed:
        raise Unreadable("an integer was due")
    return int.from_bytes(data[element.start : element.stop], "big", signed=True)


def read_type_bits(data: bytes, element: Element, number: int) -> int:
    """The types named by a BIT STRING tagged [number]: bit i of the answer is type i."""
    if not element.is_context(number) or element.start == element.stop:
        raise Unreadable("a bit string was due")
    if element.constructed:
        fragments = _fragments(data, element, _BIT_STRING)
    else:
        fragments = [data[element.start : element.stop]]
    bits = ""
    for fragment in fragments:
        if not fragment or fragment[0] > 7 or fragment[0] > 8 * (len(fragment) - 1):
            raise Unreadable("a bit string without its count of unused bits")
        if len(bits) < TYPE_BITS:
            # Three octets hold the count and more bits than are significant.
            octets = "".join(f"{octet:08b}" for octet in fragment[1:3])
            bits += octets[: 8 * (len(fragment) - 1) - fragment[0]]
    return sum(1 << index for index, bit in enumerate(bits[:TYPE_BITS]) if bit == "1")


def write(tag: int, *contents: bytes) -> bytes:
    """An element in DER; `tag` is its first octet."""
    body = b"".join(contents)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + body


def write_set(tag: int, members: Iterable[bytes]) -> bytes:
    """A SET OF in DER; no element is a prefix of another, so plain sorting will do."""
    return write(tag, *sorted(members))


def write_integer(tag: int, value: int) -> bytes:
    """A non-negative INTEGER in DER."""
    return write(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def write_type_bits(tag: int, types: int) -> bytes:
    """A BIT STRING that names the types whose bits are set, in DER."""
    octet = int(f"{types:0{TYPE_BITS}b}"[::-1], 2) << (8 - TYPE_BITS)
    if not octet:
        return write(tag, b"\0")
    unused = (octet & -octet).bit_length() - 1
    return write(tag, bytes((unused, octet)))


def _read_high_number(data: bytes, at: int, end: int) -> tuple[int, int]:
    number = 0
    while at < end:
        octet = data[at]
        at += 1
        number = min(number << 7 | octet & 0x7F, _SATURATED)
        if not octet & 0x80:
            return number, at
    raise Unreadable("a tag is cut short")


def _read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at >= end:
        raise Unreadable("no length")
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    size = first & 0x7F
    if not size:
        raise Unreadable("indefinite length")
    if at + size > end:
        raise Unreadable("a length is cut short")
    return int.from_bytes(data[at : at + size], "big"), at + size


def _start_inside(parent: Element) -> int:
    if not parent.constructed:
        raise Unreadable("a constructed tag was due")
    return parent.start


def _fragments(data: bytes, parent: Element, universal: int) -> list[bytes]:
    fragments = []
    at = parent.start
    while at < parent.stop:
        each = read_element(data, at, parent.stop)
        if each.tag_class == UNIVERSAL:
            expected = each.number == universal
        else:
            expected = each.constructed
        if not expected:
            raise Unreadable("a fragment of another type")
        fragments.append(data[each.start : each.stop])
        at = each.stop
    return fragments
