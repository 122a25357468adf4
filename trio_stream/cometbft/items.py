"""What a query is asked of: something that happened, with its events.

The engine flattens the events of a transaction or a block into one map, from `type.key` to all
values, and adds what is implied: `tm.event` says what the item is, `tx.hash` and `tx.height` which
transaction. Events without a type and attributes without a key are not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from trio_stream.cometbft.blocks import Block
from trio_stream.cometbft.events import Event
from trio_stream.cometbft.results import BlockResults

Implied = tuple[tuple[str, str], ...]


class Item(NamedTuple):
    """Events that happened together, and what else holds of them as a whole."""

    events: tuple[Event, ...]
    implied: Implied


def tx_item(block: Block, results: BlockResults, index: int) -> Item:
    """A transaction, as `tm.event = 'Tx'` has it."""
    implied = tx_implied(block.tx_hashes[index], block.header.height)
    return Item(results.txs[index].events, implied)


def tx_implied(tx_hash: str, height: int) -> Implied:
    """What holds of a transaction beside its events."""
    return (("tm.event", "Tx"), ("tx.hash", tx_hash), ("tx.height", str(height)))


BLOCK_IMPLIED: Implied = (("tm.event", "NewBlock"),)
"""What holds of a block beside its events."""


def block_item(results: BlockResults, kind: str = "NewBlock") -> Item:
    """A block with the events that are no transaction's, as `tm.event = 'NewBlock'` has it."""
    events = tuple(event for _, event in results.block_events())
    return Item(events, (("tm.event", kind),))


def bare_item(kind: str) -> Item:
    """What the engine announces without events, as `ValidatorSetUpdates`."""
    return Item((), (("tm.event", kind),))


def flattened(item: Item) -> dict[str, list[str]]:
    """The map that the engine matches against and sends along."""
    found: dict[str, list[str]] = {}
    for key, value in pairs(item):
        found.setdefault(key, []).append(value)
    return found


def pairs(item: Item) -> Iterable[tuple[str, str]]:
    """All keys with their values: the events' in order, then what is implied."""
    for event in item.events:
        if event.type:
            for key, value, _ in event.attributes:
                if key:
                    yield f"{event.type}.{key}", value
    yield from item.implied
