"""What a follower says of itself and of its nodes, for those who watch it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

import trio

SHOWN: Final = 200
"""Characters of a trouble: a node's own words may be as long as it likes."""


class NodeState(Enum):
    """How it stands with a node."""

    UNKNOWN = "unknown"
    """It has not been asked yet, or has not answered yet."""
    ANSWERING = "answering"
    TROUBLED = "troubled"
    """What it was asked last was not answered."""
    EXCLUDED = "excluded"
    """It is of another chain, or has another history, and is not asked any more."""


class Record:
    """What came of asking one node."""

    def __init__(self) -> None:
        self.answers = 0
        self.troubles: Counter[str] = Counter()
        """By their names."""
        self.trouble = ""
        """The newest; empty once an answer came after it."""
        self._answered: float | None = None

    def answered(self) -> None:
        """An answer came that could be read."""
        self.answers += 1
        self.trouble = ""
        self._answered = trio.current_time()

    def troubled(self, name: str, text: str) -> None:
        """None came."""
        self.troubles[name] += 1
        self.trouble = f"{name}: {text}"[:SHOWN]

    @property
    def state(self) -> NodeState:
        """What that says of a node that is asked."""
        if self.trouble:
            return NodeState.TROUBLED
        return NodeState.ANSWERING if self.answers else NodeState.UNKNOWN

    @property
    def silent(self) -> float:
        """Seconds since the newest answer; infinite before the first."""
        if self._answered is None:
            return math.inf
        return trio.current_time() - self._answered


class NodeStatistics(NamedTuple):
    """How it stands with a node, and what came of asking it since the start."""

    name: str
    """Host and port: what else is in an address may be a secret."""
    state: NodeState
    chain_id: str
    tip: int
    """Its newest block, by its last word; 0 before it said so."""
    lowest: int | None
    rate: float
    """Requests a second that it gets at most, at present."""
    resting: float
    """Seconds for which it is left alone."""
    answers: int
    troubles: Mapping[str, int]
    """How many, by name."""
    trouble: str
    silent: float


class FollowerStatistics(NamedTuple):
    """What `Follower.statistics` returns."""

    nodes: tuple[NodeStatistics, ...]
    """In the order given, also those that are not asked any more."""
    seeking: int
    """The height that comes next; 0 before it is known."""
    trouble: str
    """What goes wrong with that one; empty if nothing does."""

    @property
    def tip(self) -> int:
        """The newest block that a node has."""
        of_chain = (n.tip for n in self.nodes if n.state is not NodeState.EXCLUDED)
        return max(of_chain, default=0)

    @property
    def silent(self) -> float:
        """Seconds since any node answered; infinite before the first."""
        asked = (n.silent for n in self.nodes if n.state is not NodeState.EXCLUDED)
        return min(asked, default=math.inf)
