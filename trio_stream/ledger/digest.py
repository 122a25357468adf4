"""One number that stands for the whole history of a chain, for operators to compare.

It covers what every copy of the chain can know, wherever it comes from: a log that followed the
engine, an import of it, or the database of a BigchainDB node. So it leaves out what only the engine
said: times, refusals, the indexes that count them, and the bytes in which a transaction was sent.

    digest = SHA-256( line LF line LF ... )        in hexadecimal

Each line is canonical JSON, the same as for ids (`transactions.canonical`): no blanks, members in
order. The first one is the chain:

    {"chain_id": ..., "initial_height": ..., "rules": 1, "start_hash": "",
     "validators": [["ed25519", <key in hex>, <power>], ...]}

Then, for each block, its accepted transactions, one a line, in the order in which it has them, and
after them

    {"app_hash": ..., "height": ..., "tallies": [[<id of an election>, <votes>, <concluded>], ...],
     "transactions": <how many>, "validators": null or the new set}

Tallies are of elections that have votes in the block, in the order of their ids: all that has been
counted up to and with the block, and whether it concluded there. The new set is one that the block
decided on, for the height after it.

Where another chain continues the one before, it has a line before its first block's transactions:

    {"chain_id": ..., "initial_height": ..., "rules": 1, "start_hash": ...}
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from trio_stream.ledger.block import Chain, Tally
from trio_stream.transactions import canonical
from trio_stream.transactions.elections import Validator


class ChainDigest:
    """The digest of a chain up to the last block that was added."""

    def __init__(self, chain: Chain) -> None:
        self._hash = hashlib.sha256()
        self._count = 0
        self._add({**_head(chain), "validators": _members(chain.validators)})

    def add_move(self, chain: Chain) -> None:
        """Add the chain that continues the last one, with the next block."""
        self._add(_head(chain))

    def add_transaction(self, raw: bytes) -> None:
        """Add the next transaction of the next block; a ValidationError if it is not JSON."""
        self._add(canonical.decode(raw))
        self._count += 1

    def add_block(
        self,
        height: int,
        app_hash: str,
        tallies: Iterable[Tally],
        validators: Sequence[Validator] | None,
    ) -> None:
        """Add the block that the transactions added last are in."""
        self._add(
            {
                "app_hash": app_hash,
                "height": height,
                "tallies": sorted([*each] for each in tallies),
                "transactions": self._count,
                "validators": None if validators is None else _members(validators),
            }
        )
        self._count = 0

    def hexdigest(self) -> str:
        """64 digits, lower case."""
        return self._hash.hexdigest()

    def _add(self, value: object) -> None:
        self._hash.update(canonical.serialize(value).encode() + b"\n")


def _head(chain: Chain) -> dict[str, object]:
    return {
        "chain_id": chain.chain_id,
        "initial_height": chain.initial_height,
        "rules": chain.rules,
        "start_hash": chain.start_hash,
    }


def _members(validators: Iterable[Validator]) -> list[list[object]]:
    return [[each.key_type, each.key.hex(), each.power] for each in validators]
