"""Fulfillments as text: base64url of their bytes.

Texts are read as leniently as the reference reads them, see `der`.
"""

from __future__ import annotations

from binascii import a2b_base64

from trio_stream.transactions import conditions, der
from trio_stream.transactions.errors import InvalidSignature
from trio_stream.transactions.fulfillments import (
    ED25519_HEAD,
    ED25519_MIDDLE,
    Ed25519,
    Fulfillment,
    Prefix,
    Preimage,
    Rsa,
    Threshold,
)

MAX_FULFILLMENT_DEPTH = 120
"""Prefixes and thresholds around a fulfillment.

The reference runs out of stack between 112 and 122 prefixes, depending on its
caller; its time doubles with every threshold. An output asks for at most 99.
"""

_KEY_LENGTH = 32
_SIGNATURE_LENGTH = 64
_ED25519_SIZE = 102


def read_fulfillment(text: str) -> Fulfillment:
    """The fulfillment of a base64url text without padding.

    Raises InvalidSignature if the reference cannot read it, or crashes.
    """
    try:
        # Excess padding is ignored, and so are excess bits in the last character.
        data = a2b_base64(text.replace("-", "+").replace("_", "/") + "===")
        if _is_plain_ed25519(data):
            return Ed25519(data[4:36], data[38:_ED25519_SIZE])
        element = der.read_element(data, 0, len(data))
        return _read(data, element, 0)
    except (ValueError, der.Unreadable) as error:
        raise InvalidSignature("Fulfillment URI couldn't been parsed") from error


def write_fulfillment(fulfillment: Fulfillment) -> str | None:
    """The canonical text of a fulfillment, if it has one."""
    encoded = fulfillment.encode()
    return None if encoded is None else conditions.base64url(encoded)


def _is_plain_ed25519(data: bytes) -> bool:
    return (
        len(data) >= _ED25519_SIZE
        and data.startswith(ED25519_HEAD)
        and data.startswith(ED25519_MIDDLE, 36)
    )


def _read(data: bytes, element: der.Element, depth: int) -> Fulfillment:
    if depth > MAX_FULFILLMENT_DEPTH:
        raise der.Unreadable("fulfillments are nested too deep")
    if element.tag_class == der.CONTEXT:
        match element.number:
            case conditions.PREIMAGE:
                return _read_preimage(data, element)
            case conditions.PREFIX:
                return _read_prefix(data, element, depth)
            case conditions.THRESHOLD:
                return _read_threshold(data, element, depth)
            case conditions.RSA:
                return Rsa(*_read_key_and_signature(data, element))
            case conditions.ED25519:
                return _read_ed25519(data, element)
    raise der.Unreadable("a fulfillment was due")


def _read_preimage(data: bytes, element: der.Element) -> Preimage:
    (preimage,) = der.read_members(data, element, 1)
    return Preimage(der.read_octets(data, preimage, 0))


def _read_prefix(data: bytes, element: der.Element, depth: int) -> Prefix:
    members = der.read_members(data, element, 3)
    prefix = der.read_octets(data, members[0], 0)
    max_message_length = der.read_integer(data, members[1], 1)
    wrapper = members[2]
    if not wrapper.is_context(2) or not 0 <= max_message_length <= conditions.MAX_COST:
        raise der.Unreadable("a prefix out of bounds")
    # The wrapper need not be constructed, and anything after its first element is ignored.
    part = der.read_element(data, wrapper.start, wrapper.stop)
    return Prefix(prefix, max_message_length, _read(data, part, depth + 1))


def _read_threshold(data: bytes, element: der.Element, depth: int) -> Threshold:
    fulfilled, others = der.read_members(data, element, 2)
    parts = [_read(data, each, depth + 1) for each in der.read_set(data, fulfilled, 0)]
    known = [
        conditions.read_condition(data, each) for each in der.read_set(data, others, 1)
    ]
    return Threshold(tuple(parts), tuple(known))


def _read_ed25519(data: bytes, element: der.Element) -> Ed25519:
    public_key, signature = _read_key_and_signature(data, element)
    if len(public_key) != _KEY_LENGTH or len(signature) != _SIGNATURE_LENGTH:
        raise der.Unreadable("a key or signature of another size")
    return Ed25519(public_key, signature)


def _read_key_and_signature(data: bytes, element: der.Element) -> tuple[bytes, bytes]:
    key, signature = der.read_members(data, element, 2)
    return der.read_octets(data, key, 0), der.read_octets(data, signature, 1)
