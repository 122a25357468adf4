"""A log of any size for benchmarks of look-ups: as many transactions, the answers of the same size.

Nobody signs these transactions and nobody checks them: they go to the commit log as the state
machine would hand them over, so a million takes minutes and not an hour. Each asset is created and
moved four times; the keys take turns in receiving; each word stands in the metadata of ten.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from scripts.signing import Key, base58_encode, create, transfer
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import AcceptedTransaction, Block, Chain
from trio_stream.ledger.rows import rows_of
from trio_stream.log.writer import CommitLog
from trio_stream.transactions.fulfillments import Unsigned
from trio_stream.transactions.model import Input, Link, Output, Transaction

PER_ASSET: Final = 5
PER_WORD: Final = 10
BLOCK: Final = 1_000
_TIME: Final = Time(1_500_000_000, 0)
_SIGNER: Final = Key.from_seed(bytes(32))
_ASSET: Final = create(_SIGNER, data={"serial": 0}, metadata={"note": "words"})
_MOVED: Final = transfer(_ASSET, _SIGNER, metadata={"note": "words"})


class Named(NamedTuple):
    """What the n-th transaction of a log is called, and where it belongs."""

    id: str
    asset_id: str
    public_key: str
    word: str


def named(n: int, keys: int) -> Named:
    """The names of transaction `n` in a log of so many keys."""
    asset = n - n % PER_ASSET
    # Spread over the log: what belongs to a key does not stand in one place.
    seed = hashlib.sha256(b"key %d" % (n % keys)).digest()
    return Named(_id(n), _id(asset), base58_encode(seed), f"word{n // PER_WORD}")


class Filled(NamedTuple):
    """What it took to fill a log."""

    written: int
    seconds: float
    slowest: float
    """Seconds of the slowest block."""


def fill(log: CommitLog, count: int, keys: int) -> Filled:
    """Commit so many transactions, in whole blocks, less those that are there already."""
    began, slowest = time.perf_counter(), 0.0
    tip = log.tip()
    if tip is None:
        log.begin_chain(Chain("bench", 1, "", 1, _TIME, ()))
    first = tip.height if tip else 0
    for height in range(first, count // BLOCK):
        start = height * BLOCK
        accepted = [_accepted(n, n - start, keys) for n in range(start, start + BLOCK)]
        block_began = time.perf_counter()
        log.append(Block(height + 1, _TIME, "", accepted, ()))
        slowest = max(slowest, time.perf_counter() - block_began)
    return Filled(count - first * BLOCK, time.perf_counter() - began, slowest)


def sample(count: int, size: int) -> Iterator[int]:
    """Numbers of transactions, all over the log in no order."""
    # A step that shares no factor with any count of ours visits all before it repeats.
    step = 1_000_003
    return (n * step % count for n in range(size))


def _id(n: int) -> str:
    return hashlib.sha3_256(b"transaction %d" % n).hexdigest()


def _accepted(n: int, index: int, keys: int) -> AcceptedTransaction:
    names = named(n, keys)
    moves = n % PER_ASSET > 0
    template = _MOVED if moves else _ASSET
    output = {**template["outputs"][0], "public_keys": [names.public_key]}
    details = {"type": "ed25519-sha-256", "public_key": names.public_key}
    output["condition"] = {**output["condition"], "details": details}
    link = Link(_id(n - 1), 0) if moves else None
    document = {
        **template,
        "id": names.id,
        "inputs": [{**template["inputs"][0], "fulfills": link and link._asdict()}],
        "outputs": [output],
        "asset": {"id": names.asset_id} if moves else {"data": {"serial": n}},
        "metadata": {"note": f"{names.word} moved in the rain"},
    }
    raw = json.dumps(document).encode()
    transaction = Transaction(
        names.id,
        document["operation"],
        names.asset_id,
        (Input((_SIGNER.public,), link, Unsigned(), b""),),
        (Output((names.public_key,), 1, output["condition"]["uri"]),),
        raw,
    )
    return rows_of(transaction, index, hashlib.sha256(raw).digest())
