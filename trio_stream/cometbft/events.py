"""ABCI events, and the two spellings of their attributes.

Up to 0.34 keys and values are written in base64, from 0.37 on as plain text. Which of the two a
body has is a property of the node that serves it: the same height changes its spelling when the
node is upgraded, forks mix one generation's fields with the other's spelling, and nothing in the
body says so. Plain text is often valid base64 too (`send`, `true`), so values cannot decide. Keys
can: those that real chains use are known, most others are valid in one spelling only, and a body
holds many.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import partial
from typing import NamedTuple

from trio_stream.cometbft.errors import Malformed
from trio_stream.cometbft.fields import elements, members, text


class Attribute(NamedTuple):
    """One key and its value; `indexed` says whether the node's own indexer takes it up."""

    key: str
    value: str
    indexed: bool


class Event(NamedTuple):
    """One ABCI event. Type, keys and values may all be empty: nodes do send such events."""

    type: str
    attributes: tuple[Attribute, ...]


# What is called to make them by name is written in Python; there are a hundred thousand in a block.
_attribute: Callable[[tuple[str, str, bool]], Attribute] = partial(
    tuple.__new__, Attribute
)
_event: Callable[[tuple[str, tuple[Attribute, ...]]], Event] = partial(
    tuple.__new__, Event
)


class Spelling(Enum):
    """How a body writes keys and values of attributes."""

    PLAIN = "plain"
    BASE64 = "base64"


KNOWN = frozenset(
    "action sender recipient receiver amount spender module fee fee_payer tx_hash key creator"
    " validator msg_index mode denom acc_seq signature minter delegator proposer"
    " _contract_address contract_address code_id".split()
)
KNOWN_IN_BASE64 = frozenset(b64encode(key.encode()).decode() for key in KNOWN)

NAME = re.compile(rb"[A-Za-z0-9_.:/ -]+")

ENOUGH = 12
"""Bytes of names that must come out of base64 before it is believed: plain keys that happen to be
base64 decode to a letter, a digit or one of those signs with a chance of one in four, each."""

# Bytes that are no UTF-8, each by itself: as in Go, which writes these texts from 0.37 on.
NOT_UTF8 = re.compile("[\udc80-\udcff]")


def spelling_of(keys: Iterable[str]) -> Spelling | None:
    """The spelling that these keys are in, or None if they could be in both.

    No more of them are taken than have to be: mostly the first one is known.
    """
    distinct = set()
    for key in keys:
        if key in KNOWN:
            return Spelling.PLAIN
        distinct.add(key)
    distinct.discard("")
    if not distinct.isdisjoint(KNOWN_IN_BASE64):
        return Spelling.BASE64
    length = 0
    names = True
    for key in distinct:
        try:
            decoded = binascii.a2b_base64(key, strict_mode=True)
        except ValueError:
            return Spelling.PLAIN
        length += len(decoded)
        names = names and NAME.fullmatch(decoded) is not None
    return Spelling.BASE64 if names and length >= ENOUGH else None


def keys_of(raw_events: object) -> Iterator[str]:
    """The attributes' keys as the body spells them."""
    for event in elements(raw_events, "the events"):
        attributes = members(event, "an event").get("attributes")
        for attribute in elements(attributes, "the attributes"):
            yield _fields(attribute)[0]


def read_events(raw_events: object, spelling: Spelling) -> tuple[Event, ...]:
    """The events of a list that is in that spelling."""
    read = _plain if spelling is Spelling.PLAIN else _decoded
    found = []
    for each in elements(raw_events, "the events"):
        event = members(each, "an event")
        kind = text(event.get("type"), "an event's type")
        attributes = elements(event.get("attributes"), "the attributes")
        found.append(_event((kind, read(attributes))))
    return tuple(found)


def read_tags(raw_tags: object) -> tuple[Event, ...]:
    """What 0.31 has in place of events: one flat list, in base64, with whole names for keys."""
    events = []
    for tag in _decoded(elements(raw_tags, "the tags")):
        kind, _, key = tag.key.rpartition(".")
        events.append(Event(kind, (tag._replace(key=key),)))
    return tuple(events)


def _plain(raw: Sequence[object]) -> tuple[Attribute, ...]:
    return tuple([_attribute(_fields(each)) for each in raw])


def _decoded(raw: Sequence[object]) -> tuple[Attribute, ...]:
    return tuple(
        [
            _attribute((_from_base64(key), _from_base64(value), indexed))
            for key, value, indexed in map(_fields, raw)
        ]
    )


def _fields(raw: object) -> tuple[str, str, bool]:
    # There are a hundred thousand of them in a large block: the usual case first.
    if type(raw) is dict:
        key, value = raw.get("key"), raw.get("value")
        if type(key) is str and type(value) is str:
            return key, value, raw.get("index") is True
    attribute = members(raw, "an attribute")
    return (
        text(attribute.get("key"), "a key"),
        text(attribute.get("value"), "a value"),
        attribute.get("index") is True,
    )


def _from_base64(spelled: str) -> str:
    try:
        raw = binascii.a2b_base64(spelled, strict_mode=True)
    except ValueError:
        raise Malformed("an attribute is not base64 where others are") from None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return NOT_UTF8.sub("\ufffd", raw.decode(errors="surrogateescape"))
