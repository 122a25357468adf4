"""What subscribers are owed for the history of `history`, worked out without a log."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from scripts.signing import encode
from tests.history import accepted_of, app_hash_of, txs_of
from tests.ledger.chains import TIME
from tests.wanted import wants
from trio_stream.stream.events import CommitEvent, CommittedBlock
from trio_stream.stream.messages import block_text, event_text, time_text
from trio_stream.stream.node_request import NODE_READER
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Stream

Owed = tuple[Position, str]
"""A message, and the position that its reader has reached; a refusal is its `tx_hash`."""


@cache
def block_of(height: int) -> CommittedBlock:
    events = []
    for document in accepted_of(height):
        raw = encode(document)
        events.append(
            CommitEvent(
                height,
                txs_of(height).index(raw),
                document["asset"].get("id", document["id"]),
                document["id"],
                hashlib.sha256(raw).digest(),
                document["operation"],
            )
        )
    return CommittedBlock(height, app_hash_of(height), tuple(events), (), TIME)


def place_of(message: dict[str, Any]) -> Position:
    """Where the transaction of a plain message stands."""
    for event in block_of(message["height"]).events:
        if event.transaction_id == message["transaction_id"]:
            return Position(event.height, event.index)
    raise AssertionError(message)


@cache
def messages_of(path: str, height: int) -> list[Owed]:
    """What a block gives to those who ask for `path`, a stream and its parameters."""
    name, _, query = path.partition("?")
    selection = NODE_READER.subscription(name, query).selection
    block, form, txs = block_of(height), selection.form, txs_of(height)
    if selection.stream is Stream.VALID_BLOCKS:
        if not block.events and not selection.empty_blocks:
            return []
        return [(Position.end_of(height), block_text(block, form).decode())]
    if selection.stream is Stream.REFUSED_TRANSACTIONS:
        accepted = {event.index for event in block.events}
        return [
            (Position(height, n), hashlib.sha256(tx).hexdigest().upper())
            for n, tx in enumerate(txs)
            if n not in accepted
        ]
    return [
        (
            Position(height, event.index),
            event_text(
                event, form, time=time_text(TIME), raw=txs[event.index]
            ).decode(),
        )
        for event, document in zip(block.events, accepted_of(height), strict=True)
        if wants(selection, event.asset_id, event.operation, _keys_of(document))
    ]


def _keys_of(document: dict[str, Any]) -> set[str]:
    named = [each["owners_before"] for each in document["inputs"]]
    named += [each["public_keys"] for each in document["outputs"]]
    return {key for some in named for key in some}
