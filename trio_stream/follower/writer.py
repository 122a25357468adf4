"""What the follower needs of a log: the writing end, blocking, called in one thread at a time."""

from __future__ import annotations

from typing import Protocol

from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, FollowedTip, Gap
from trio_stream.cometbft.results import BlockResults


class FollowedLog(Protocol):
    """Each change is durable when its method returns."""

    def chain(self) -> FollowedChain | None:
        """The chain that the log is of; None if it is new."""
        ...

    def begin(self, chain: FollowedChain) -> None:
        """Make a new log that chain's."""
        ...

    def tip(self) -> FollowedTip:
        """How far the log is."""
        ...

    def last(self) -> BlockResults | None:
        """The results of the tip, which the next header is held against; None for a gap."""
        ...

    def append(self, *blocks: FollowedBlock) -> FollowedTip:
        """Commit the blocks after the tip, of which there is at least one, all or none."""
        ...

    def gap(self, gap: Gap) -> FollowedTip:
        """Commit that the heights after the tip are nowhere to be had."""
        ...

    def prune(self) -> bool:
        """Drop some of what is older than is kept; whether there is more to drop."""
        ...
