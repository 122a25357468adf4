"""Where a reader of the log stands.

A position names a place in the history of a chain: the height of a block and the 0-based index
of a transaction in the *engine's* block, refused ones counted. It means "everything up to and
including this has been seen". Because the consensus engine fixes both, a position is the
same on every node of a network, and a subscriber may resume at another node than the one it left.

Positions compare as tuples, in the order of the log. How they are written for clients, and whether
a log has reached one, is not decided here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

END_OF_BLOCK: Final = (1 << 26) - 1
"""The index that stands for a whole block, empty or not.

An engine's block has at most 100 MiB, and each transaction takes at least two bytes of it, so real
indexes stay below 2**26 - 1 and this one compares above all of them.
"""


class Position(NamedTuple):
    """Everything up to and including this transaction has been seen."""

    height: int
    index: int  # type: ignore[assignment]  # in place of tuple.index

    @classmethod
    def end_of(cls, height: int) -> Position:
        """The whole block at `height` has been seen."""
        return cls(height, END_OF_BLOCK)

    @property
    def is_end_of_block(self) -> bool:
        return self.index == END_OF_BLOCK


START: Final = Position(0, END_OF_BLOCK)
"""Before any block: the first height of a chain is 1 or more."""
