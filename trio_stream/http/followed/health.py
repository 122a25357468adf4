"""What a follower needs to be ready, besides its log: a node that answers.

How far it is behind is no reason: what it has can be read, and whoever wants more than that looks
at its status.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from trio_stream.follower.statistics import FollowerStatistics
from trio_stream.http.health import OK


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerHealth:
    """Looks at the nodes."""

    follower: Callable[[], FollowerStatistics]
    node_timeout: float
    """For how many seconds all nodes may be silent."""

    def checks(self) -> dict[str, str]:
        """What was looked at, and what is wrong with it."""
        return {"nodes": self._nodes()}

    def _nodes(self) -> str:
        silent = self.follower().silent
        if silent <= self.node_timeout:
            return OK
        if silent == math.inf:
            return "no node has answered yet"
        return f"no node has answered for {silent:.0f} s"
