"""What a committed block says to subscribers.

A block yields one event for each transaction that it accepted, in the order of the block, and one
refusal for each other one. These are plain values on their way from the log to the doors. The
text of an event is BigchainDB's, byte for byte, because programs written for its stream compare and
parse it. `frames` frames it for a WebSocket.
"""

from __future__ import annotations

from typing import NamedTuple

from trio_stream.abci.messages import Time


class CommitEvent(NamedTuple):
    """A transaction was committed."""

    height: int
    index: int  # type: ignore[assignment]  # in place of tuple.index
    asset_id: str
    transaction_id: str
    tx_sha256: bytes
    operation: str = ""


class RefusalEvent(NamedTuple):
    """A transaction was in the engine's block, but was refused."""

    height: int
    index: int  # type: ignore[assignment]  # in place of tuple.index
    transaction_id: str | None
    tx_sha256: bytes
    error: str
    reason: str


Outcome = CommitEvent | RefusalEvent
"""What a block made of a transaction."""


class CommittedBlock(NamedTuple):
    """A durable block: what it committed and what it refused, each in order."""

    height: int
    app_hash: str
    events: tuple[CommitEvent, ...]
    refused: tuple[RefusalEvent, ...]
    time: Time = Time(0, 0)


def encode(event: CommitEvent) -> bytes:
    """The text of the message for subscribers to `valid_transactions`."""
    # Ids of committed transactions and their assets are always 64 hex digits, so nothing needs
    # escaping; members and spaces are those of Python's json.dumps.
    return (
        f'{{"height": {event.height}, "asset_id": "{event.asset_id}",'
        f' "transaction_id": "{event.transaction_id}"}}'
    ).encode("ascii")
