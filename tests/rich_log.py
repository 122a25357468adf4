"""A log that holds a bit of everything that subscribers can ask for, and what it should say.

Its transactions are not valid, and nobody signs them: the log keeps what it is given. They have all
operations, several assets and keys, some long bodies; blocks hold none, a few, or more than a
thousand, and heights gain digits on the way.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Final

from tests.wanted import wants
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import (
    AcceptedTransaction,
    Block,
    Chain,
    RefusedTransaction,
)
from trio_stream.ledger.rows import rows_of
from trio_stream.log.writer import CommitLog
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.messages import block_text, event_text, refusal_text, time_text
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form, Selection, Stream
from trio_stream.transactions.fulfillments import Unsigned
from trio_stream.transactions.model import Input, Output, Transaction

FIRST: Final = 6
LAST: Final = 120
OPERATIONS: Final = ("CREATE", "TRANSFER", "VALIDATOR_ELECTION", "VOTE")
KEYS: Final = tuple("key" + digit for digit in "123456789A")
_TIMES: Final = (
    Time(1_500_000_000, 0),
    Time(1_767_366_245, 123_456_789),
    Time(-62_135_596_801, 5),
    Time(1 << 40, 999_999_999),
    # No engine says it, but a file that is imported may.
    Time(1_500_000_001, 1 << 33),
)
_LARGE: Final = 40


def _id(height: int, index: int) -> str:
    return hashlib.sha3_256(b"%d %d" % (height, index)).hexdigest()


ASSETS: Final = tuple(_id(FIRST, index) for index in range(4))


def _transaction(chance: random.Random, height: int, index: int) -> Transaction:
    operation = chance.choices(OPERATIONS, (60, 60, 4, 6))[0]
    own = _id(height, index)
    if own in ASSETS:
        operation = "CREATE"
    asset = own if operation in ("CREATE", "VALIDATOR_ELECTION") else ASSETS[index % 4]
    owners = tuple(chance.sample(KEYS, chance.randrange(1, 3)))
    receivers = [tuple(chance.sample(KEYS, 2)) for _ in range(chance.randrange(3))]
    document = {
        "id": own,
        "asset": {},
        "metadata": "Zürich \U0001f41d"
        * chance.choices((0, 1, 10, 6_000), (300, 600, 100, 1))[0],
        "outputs": [{"condition": {"details": {"public_key": "x"}}} for _ in receivers],
    }
    return Transaction(
        own,
        operation,
        asset,
        (Input(owners, None, Unsigned(), b""),),
        tuple(Output(keys, 1, None) for keys in receivers),
        json.dumps(document, ensure_ascii=chance.random() < 0.5).encode(),
    )


def _block(chance: random.Random, height: int) -> Block:
    accepted, refused = [], []
    count = chance.choice((0, 0, 1, 1, 2, 9))
    count = {FIRST: 5, _LARGE: 1_300}.get(height, count)
    for index in range(count):
        sha256 = hashlib.sha256(b"%d %d" % (height, index)).digest()
        if chance.random() < 0.2 and height != FIRST:
            claimed = chance.choice((None, _id(height, index)))
            reason = chance.choice(("no \u00e9", 'a "quote"', ""))
            refused.append(
                RefusedTransaction(index, sha256, claimed, "DoubleSpend", reason)
            )
        else:
            each = _transaction(chance, height, index)
            accepted.append(rows_of(each, index, sha256))
    app_hash = chance.choice(("", _id(height, -1)))
    return Block(height, chance.choice(_TIMES), app_hash, accepted, refused)


_CHANCE = random.Random(5)
BLOCKS: Final = tuple(_block(_CHANCE, height) for height in range(FIRST, LAST + 1))


def commit_all(log: CommitLog) -> None:
    """Write the blocks."""
    log.begin_chain(Chain("rich", 1, "", FIRST, Time(0, 0), ()))
    for block in BLOCKS:
        log.append(block)


def keys_of(accepted: AcceptedTransaction) -> set[str]:
    """The keys by which it is found."""
    return {public_key for public_key, *_ in accepted.keys}


def messages(selection: Selection) -> Iterator[tuple[Position, bytes]]:
    """What the log has to say to this selection, one by one."""
    for block in BLOCKS:
        match selection.stream:
            case Stream.VALID_TRANSACTIONS:
                yield from _transactions(block, selection)
            case Stream.VALID_BLOCKS:
                if block.accepted or selection.empty_blocks:
                    yield Position.end_of(block.height), _block_text(block, selection)
            case Stream.REFUSED_TRANSACTIONS:
                yield from _refusals(block, selection.form)


def _transactions(
    block: Block, selection: Selection
) -> Iterator[tuple[Position, bytes]]:
    for each in block.accepted:
        if wants(selection, each.asset_id, each.operation, keys_of(each)):
            event = _event(block, each)
            time = time_text(block.time)
            text = event_text(event, selection.form, time=time, raw=each.raw)
            yield Position(block.height, each.index), text


def _event(block: Block, each: AcceptedTransaction) -> CommitEvent:
    return CommitEvent(block.height, each.index, each.asset_id, each.id, each.sha256)


def _block_text(block: Block, selection: Selection) -> bytes:
    events = tuple(_event(block, each) for each in block.accepted)
    told = CommittedBlock(block.height, block.app_hash, events, (), block.time)
    return block_text(told, selection.form)


def _refusals(block: Block, form: Form) -> Iterator[tuple[Position, bytes]]:
    for each in block.refused:
        told = RefusalEvent(
            block.height,
            each.index,
            each.transaction_id,
            each.sha256,
            each.error,
            each.reason,
        )
        text = refusal_text(told, form, time=time_text(block.time))
        yield Position(block.height, each.index), text
