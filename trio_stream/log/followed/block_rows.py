"""The rows that follow from a followed block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from trio_stream.cometbft.events import Event
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.instants import SECOND, instant
from trio_stream.log.followed.blocks import SPELLINGS
from trio_stream.log.rows import Row
from trio_stream.stream.position import key_of

LARGEST: Final = (1 << 63) - 1
"""SQLite's largest integer; bodies have what the node said."""


def block_row(followed: FollowedBlock, events: Sequence[Event]) -> Row:
    """The row of a block, of which these are the events that are no transaction's."""
    block = followed.block
    return (
        followed.height,
        followed.hash,
        *divmod(instant(block.header.time), SECOND),
        len(block.txs),
        len(events),
        SPELLINGS.index(followed.results.spelling),
    )


def transaction_rows(followed: FollowedBlock) -> Iterator[Row]:
    """The rows of its transactions, in order."""
    digests = followed.block.tx_digests
    for index, result in enumerate(followed.results.txs):
        yield (
            key_of(followed.height, index),
            digests[index],
            result.code,
            min(result.gas_wanted, LARGEST),
            min(result.gas_used, LARGEST),
            len(result.events),
        )
