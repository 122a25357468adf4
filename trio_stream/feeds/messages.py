"""The texts of all messages about a followed chain.

Members are in one form for every release of the engine. `detail=position` adds where the message
stands and the block's time, `detail=full` all else that the node said. Attributes are a list, since
keys come again, and the flag is left out: a node sets it for its own index.

A transaction's events share its position, and those of a block its end. A reader that goes on
after that position must have seen them all, so only the last of them says it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from trio_stream.cometbft.events import Event
from trio_stream.cometbft.followed import Gap
from trio_stream.cometbft.results import Phase, TxResult
from trio_stream.stream.position import position_text
from trio_stream.stream.selection import Form

Value = dict[str, Any]


class BlockHead(NamedTuple):
    """What messages say of a block as a whole."""

    height: int
    hash: str
    """In capitals, as the engine writes it."""
    time: str
    transactions: int


class TxHead(NamedTuple):
    """What messages say of a transaction beside its result."""

    block: BlockHead
    index: int  # type: ignore[assignment]  # in place of tuple.index
    hash: str
    """In capitals, as the engine writes it."""


def transaction_text(head: TxHead, tx: str, result: TxResult, form: Form) -> bytes:
    """The text of a transaction; `tx` is its bytes in base64."""
    message: Value = {
        "height": head.block.height,
        "index": head.index,
        "tx_hash": head.hash,
        "code": result.code,
        "events": [_event(each) for each in result.events],
    }
    if form is not Form.PLAIN:
        message |= _at_transaction(head)
    if form is Form.FULL:
        message |= {
            "codespace": result.codespace,
            "gas_wanted": result.gas_wanted,
            "gas_used": result.gas_used,
            "data": b64encode(result.data).decode("ascii"),
            "log": result.log,
            "info": result.info,
            "tx": tx,
        }
    return _text(message)


def block_text(
    head: BlockHead, events: Iterable[tuple[Phase, Event]], form: Form
) -> bytes:
    """The text of a block, with the events that are no transaction's."""
    message: Value = {
        "height": head.height,
        "hash": head.hash,
        "time": head.time,
        "transactions": head.transactions,
        "events": [{"phase": phase, **_event(each)} for phase, each in events],
    }
    if form is not Form.PLAIN:
        message["position"] = position_of_block(head)
    return _text(message)


def transaction_event_texts(
    head: TxHead, events: Sequence[Event], form: Form, chosen: Sequence[int]
) -> list[bytes]:
    """The texts of some events of a transaction, by their numbers."""
    place = {"index": head.index, "tx_hash": head.hash, "phase": "tx"}
    more = {} if form is Form.PLAIN else _at_transaction(head)
    phased = [("tx", events[number]) for number in chosen]
    return _event_texts(head.block.height, place, phased, chosen, more)


def block_event_texts(
    head: BlockHead,
    events: Sequence[tuple[Phase, Event]],
    form: Form,
    chosen: Sequence[int],
) -> list[bytes]:
    """The texts of some events of a block, by their numbers."""
    more = {}
    if form is not Form.PLAIN:
        more = {"time": head.time, "position": position_of_block(head)}
    phased = [events[number] for number in chosen]
    return _event_texts(head.height, {}, phased, chosen, more)


def gap_text(gap: Gap) -> bytes:
    """The text that says, in every feed, that blocks are missing."""
    message = {
        "gap": {
            "first": gap.first,
            "last": gap.last,
            "reason": gap.reason,
            "detail": gap.detail,
        },
        "position": position_text(gap.last, None, None),
    }
    return _text(message)


def position_of_block(head: BlockHead) -> str:
    """The position of a whole block as clients see it."""
    return position_text(head.height, None, head.hash.lower())


def _event_texts(
    height: int,
    place: Value,
    events: Sequence[tuple[str, Event]],
    numbers: Sequence[int],
    more: Value,
) -> list[bytes]:
    texts = []
    for number, (phase, event) in zip(numbers, events, strict=True):
        message = {
            "height": height,
            **place,
            "phase": phase,
            "event_index": number,
            **_event(event),
        }
        if number == numbers[-1]:
            message |= more
        elif more:
            message["time"] = more["time"]
        texts.append(_text(message))
    return texts


def _at_transaction(head: TxHead) -> Value:
    place = position_text(head.block.height, head.index, head.hash.lower())
    return {"time": head.block.time, "position": place}


def _event(event: Event) -> Value:
    attributes = [{"key": each.key, "value": each.value} for each in event.attributes]
    return {"type": event.type, "attributes": attributes}


def _text(message: Value) -> bytes:
    return json.dumps(message).encode("ascii")
