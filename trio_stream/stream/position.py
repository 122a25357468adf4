"""Where a reader of the log stands, and how that is written for clients.

A position names a place in the history of a chain: the height of a block and the 0-based index
of a transaction in the *engine's* block, refused ones counted. It means "everything up to and
including this has been seen". Because the consensus engine fixes both, a position is the
same on every node of a network, and a subscriber may resume at a different node.

Positions compare as tuples, in the order of the log. Written for clients they carry a fingerprint,
so that a position from another history with the same heights is recognised:

    <height>:<index>:<first 8 digits of the transaction's id>
    <height>::<first 8 digits of the block's app hash>       the whole block, empty or not

An app hash may be empty, and then so is its fingerprint. People may leave out the fingerprint
and write `<height>:<index>` or `<height>`. Whether a log reaches that far is not decided here.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from trio_stream.stream.names import quoted

INDEX_BITS: Final = 26
"""Bits for the index in the key of a position, so that height and index fit one 64-bit integer."""

END_OF_BLOCK: Final = (1 << INDEX_BITS) - 1
"""The index that stands for a whole block, empty or not.

An engine's block has at most 100 MiB, and each transaction takes at least two bytes of it, so real
indexes stay below 2**26 - 1 and this one compares above all of them.
"""

FINGERPRINT: Final = 8
"""Digits of an id or a hash that a position carries."""

# Heights have at most 11 digits; more are read, so that a height that is too high is reported so.
_WRITTEN: Final = re.compile(
    r"([0-9]{1,18})(?::([0-9]{1,8})(?::([0-9a-fA-F]{8}))?|::((?:[0-9a-fA-F]{8})?))?"
)


class Position(NamedTuple):
    """Everything up to and including this transaction has been seen."""

    height: int
    index: int  # type: ignore[assignment]  # in place of tuple.index

    @classmethod
    def end_of(cls, height: int) -> Position:
        """The whole block at `height` has been seen."""
        return cls(height, END_OF_BLOCK)

    @classmethod
    def of_key(cls, key: int) -> Position:
        """The position that has this key."""
        return cls(key >> INDEX_BITS, key & END_OF_BLOCK)

    @property
    def key(self) -> int:
        """The position as one integer; these have the same order."""
        return key_of(self.height, self.index)

    @property
    def is_end_of_block(self) -> bool:
        return self.index == END_OF_BLOCK


def key_of(height: int, index: int) -> int:
    """The key of a position, without making one: for many at once."""
    return height << INDEX_BITS | index


class GivenPosition(NamedTuple):
    """A position that a client gave, with the fingerprint that it expects there.

    The fingerprint is None if none was given, and empty for an empty app hash.
    """

    position: Position
    fingerprint: str | None


def position_text(height: int, index: int | None, fingerprint: str | None) -> str:
    """A place as clients see it; `index` is None or `END_OF_BLOCK` for a whole block.

    `fingerprint` is the id or hash, whose first digits are taken. If it is None, which means
    unknown, the result is the short form.
    """
    if index is None or index == END_OF_BLOCK:
        tail = "" if fingerprint is None else f"::{fingerprint[:FINGERPRINT]}"
        return f"{height}{tail}"
    tail = "" if fingerprint is None else f":{fingerprint[:FINGERPRINT]}"
    return f"{height}:{index}{tail}"


def parse_position(text: str) -> GivenPosition:
    """Read any of the four forms. Raises ValueError for anything else."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError(f"not a position: {quoted(text, 100)}")
    height, index, transaction, block = found.groups()
    if index is None:
        return GivenPosition(
            Position.end_of(int(height)), None if block is None else block.lower()
        )
    if int(index) >= END_OF_BLOCK:
        raise ValueError(f"no block has that many transactions: {quoted(text, 100)}")
    return GivenPosition(
        Position(int(height), int(index)), transaction and transaction.lower()
    )
