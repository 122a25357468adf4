"""What follows from an error for one height and one node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from trio_stream.cometbft.errors import (
    BlockNotThere,
    BrokenLink,
    BrokenRecord,
    HeightInFuture,
    Mismatch,
    OtherChain,
    Pruned,
    ResultsDiscarded,
    ResultsNotThere,
    TooLarge,
    Truncated,
)
from trio_stream.cometbft.followed import Reason
from trio_stream.follower.troubles import ContradictsStored, NoAnswer


class Fate(Enum):
    """What the follower does next about it."""

    NOT_YET = auto()
    """The height is above the node's tip, or is the tip and still executed: wait, without limit."""
    AGAIN = auto()
    """Something between us and the node, or in it, is out of order: ask again, after a pause."""
    CUT = auto()
    """The same, and perhaps because the answer is too large for the node's HTTP server."""
    NEVER = auto()
    """This node will not have it: ask another."""
    FORK = auto()
    """The block follows another one than the one that is stored."""
    CONTRADICTION = auto()
    """The block does not commit to the results that are stored for the one before it."""
    OTHER_CHAIN = auto()
    """The node is not of this chain."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error means."""

    fate: Fate
    detail: str
    reason: Reason | None = None
    """For NEVER."""
    tries: int = 1
    """After how many of the same NEVER in a row it is believed."""


BELIEVED = 3
"""Behind one address may be several machines, of which one is pruned, or lags within a batch."""


def verdict(error: Exception, *, height: int, tip: int) -> Verdict:
    """What `error` means for that height, from a node whose tip was `tip` before it was asked.

    A tip from after the answer would not do: results that were not there while the height was
    executed may have come with the next block.
    """
    detail = f"{type(error).__name__}: {error}"
    match error:
        case HeightInFuture():
            return Verdict(Fate.NOT_YET, detail)
        case ResultsNotThere() if tip <= height:
            return Verdict(Fate.NOT_YET, detail)
        case ResultsNotThere():
            return Verdict(Fate.NEVER, detail, "results_missing", BELIEVED)
        case BlockNotThere() | Pruned():
            return Verdict(Fate.NEVER, detail, "pruned", BELIEVED)
        case ResultsDiscarded():
            return Verdict(Fate.NEVER, detail, "discarded", BELIEVED)
        case BrokenRecord():
            return Verdict(Fate.NEVER, detail, "broken_record", BELIEVED)
        case TooLarge():
            return Verdict(Fate.NEVER, detail, "too_large")
        case OtherChain():
            return Verdict(Fate.OTHER_CHAIN, detail)
        case BrokenLink():
            return Verdict(Fate.FORK, detail, tries=BELIEVED)
        case ContradictsStored():
            return Verdict(Fate.CONTRADICTION, detail, tries=BELIEVED)
        case Mismatch():
            return Verdict(Fate.NEVER, detail, "corrupt", BELIEVED)
        case NoAnswer() | Truncated():
            return Verdict(Fate.CUT, detail)
    return Verdict(Fate.AGAIN, detail)
