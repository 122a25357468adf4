"""Which messages of a block a selection wants, with their texts.

Used for live blocks and for old ones, so that both are the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from trio_stream.cometbft.events import Event
from trio_stream.cometbft.items import BLOCK_IMPLIED, Implied, Item, tx_implied
from trio_stream.cometbft.query_index import QueryIndex
from trio_stream.cometbft.results import Phase, TxResult
from trio_stream.feeds.messages import (
    BlockHead,
    TxHead,
    block_event_texts,
    block_text,
    transaction_event_texts,
    transaction_text,
)
from trio_stream.feeds.selection import Feed, FeedSelection


class Chooser:
    """One selection, asked of one transaction or block at a time."""

    def __init__(self, selection: FeedSelection) -> None:
        self._selection = selection
        self._queries = QueryIndex()
        self._queries.add(selection.query)

    def transaction(self, head: TxHead, tx: str, result: TxResult) -> list[bytes]:
        """The messages at a transaction's position; `tx` is its bytes in base64."""
        form, implied = self._selection.form, tx_implied(head.hash, head.block.height)
        match self._selection.feed:
            case Feed.TRANSACTIONS:
                if self._holds(Item(result.events, implied)):
                    return [transaction_text(head, tx, result, form)]
            case Feed.EVENTS:
                chosen = self._chosen(result.events, implied)
                return transaction_event_texts(head, result.events, form, chosen)
        return []

    def block(
        self, head: BlockHead, phased: Sequence[tuple[Phase, Event]]
    ) -> list[bytes]:
        """The messages at a block's end, given the events that are no transaction's."""
        form, events = self._selection.form, tuple(event for _, event in phased)
        match self._selection.feed:
            case Feed.BLOCKS:
                if self._holds(Item(events, BLOCK_IMPLIED)):
                    return [block_text(head, phased, form)]
            case Feed.EVENTS:
                chosen = self._chosen(events, BLOCK_IMPLIED)
                return block_event_texts(head, phased, form, chosen)
        return []

    def _holds(self, item: Item) -> bool:
        return bool(self._queries.match(item))

    def _chosen(self, events: Sequence[Event], implied: Implied) -> list[int]:
        """The numbers of those events of which the query holds."""
        return [
            number
            for number, event in enumerate(events)
            if self._holds(Item((event,), implied))
        ]
