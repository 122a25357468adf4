"""A made-up chain with many events, and what clients of a follower are owed of it.

What is owed is read from the node's own answers, by none of the product's code.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from tests.follower.chain import MadeChain

MANY = 1_200
"""Events of a transaction in every fifth block: more than are encoded in one step."""
HANDFULS = (1, 9, 2)
"""Events of the other transactions, by turns."""

Message = Mapping[str, Any]
Pairs = tuple[tuple[str, str], ...]


class BusyChain(MadeChain):
    """Transactions have from one to very many events, and blocks have three."""

    def grow(self, height: int | None = None) -> None:
        super().grow(height)
        height = self.last if height is None else height
        results = self.results[height]
        for index, result in enumerate(results["txs_results"] or ()):
            count = HANDFULS[(height + index) % 3]
            if height % 5 == 0 and index == 0:
                count = MANY
            result["events"] = [
                _event(
                    "transfer" if number % 2 else "big",
                    number=str(number),
                    recipient=f"r{number % 3}",
                )
                for number in range(count)
            ]
        results["finalize_block_events"] = [
            _event("reward", number=str(number)) for number in range(3)
        ]


class Said(NamedTuple):
    """What a message says, by whatever stream."""

    height: int
    index: int | None  # type: ignore[assignment]  # in place of tuple.index
    """Of the transaction; None for what is the block's."""
    number: int | None
    """Of the event; None for messages with many."""
    what: tuple[object, ...]


def said(message: Message) -> Said:
    """What a message from the follower says."""
    if "gap" in message:
        gap = message["gap"]
        return Said(gap["first"], None, None, ("gap", gap["last"]))
    height, index = message["height"], message.get("index")
    if "event_index" in message:
        return Said(height, index, message["event_index"], _of(message))
    what = tuple(map(_of, message["events"]))
    return Said(height, index, None, (message.get("tx_hash"), *what))


Holds = Callable[[str, Mapping[str, str]], bool]
"""Whether an event is looked for, by its type and attributes."""


def everything(kind: str, attributes: Mapping[str, str]) -> bool:
    return True


def owed(
    chain: MadeChain, stream: str, holds: Holds = everything, first: int = 1
) -> list[Said]:
    """All that a client of this stream is owed, in order."""
    return [
        each
        for height in sorted(chain.blocks)
        if height >= first
        for each in _owed(chain, height, stream, holds)
    ]


def _owed(chain: MadeChain, height: int, stream: str, holds: Holds) -> Iterator[Said]:
    results = chain.results[height]
    txs = chain.blocks[height]["block"]["data"]["txs"]
    for index, result in enumerate(results["txs_results"] or ()):
        events = result["events"]
        if stream == "events":
            yield from _each(height, index, events, holds)
        if stream == "transactions" and _any(events, holds):
            tx_hash = sha256(base64.b64decode(txs[index])).hexdigest().upper()
            yield Said(height, index, None, (tx_hash, *map(_of, events)))
    events = results["finalize_block_events"]
    if stream == "events":
        yield from _each(height, None, events, holds)
    if stream == "blocks" and _any(events, holds):
        yield Said(height, None, None, (None, *map(_of, events)))


def _each(
    height: int, index: int | None, events: list[Message], holds: Holds
) -> Iterator[Said]:
    for number, event in enumerate(events):
        if holds(event["type"], _attributes(event)):
            yield Said(height, index, number, _of(event))


def _any(events: list[Message], holds: Holds) -> bool:
    return holds is everything or any(
        holds(event["type"], _attributes(event)) for event in events
    )


def _of(event: Message) -> tuple[str, Pairs]:
    pairs = tuple((each["key"], each["value"]) for each in event["attributes"])
    return event["type"], pairs


def _attributes(event: Message) -> dict[str, str]:
    return {each["key"]: each["value"] for each in event["attributes"]}


def _event(kind: str, **attributes: str) -> dict[str, Any]:
    return {
        "type": kind,
        "attributes": [
            {"key": key, "value": value, "index": True}
            for key, value in attributes.items()
        ],
    }
