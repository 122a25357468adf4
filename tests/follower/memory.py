"""A follower's log in memory."""

from __future__ import annotations

from trio_stream.cometbft.followed import FollowedBlock, FollowedChain, FollowedTip, Gap
from trio_stream.cometbft.results import BlockResults


class MemoryLog:
    def __init__(self, keep: int | None = None) -> None:
        self.keep = keep
        self.entries: list[FollowedBlock | Gap] = []
        self._chain: FollowedChain | None = None

    def chain(self) -> FollowedChain | None:
        return self._chain

    def begin(self, chain: FollowedChain) -> None:
        assert self._chain is None
        self._chain = chain

    def tip(self) -> FollowedTip:
        if not self.entries:
            return FollowedTip(self._chain.first - 1 if self._chain else 0, None)
        last = self.entries[-1]
        if isinstance(last, Gap):
            return FollowedTip(last.last, None)
        return FollowedTip(last.height, last.hash)

    def last(self) -> BlockResults | None:
        last = self.entries[-1] if self.entries else None
        return last.results if isinstance(last, FollowedBlock) else None

    def append(self, *blocks: FollowedBlock) -> FollowedTip:
        for block in blocks:
            assert block.height == self.tip().height + 1
            self.entries.append(block)
        return self.tip()

    def gap(self, gap: Gap) -> FollowedTip:
        assert gap.first == self.tip().height + 1 <= gap.last + 1
        self.entries.append(gap)
        return self.tip()

    def prune(self) -> bool:
        """Keep the newest `keep` entries, dropping one at a time."""
        if self.keep is None or len(self.entries) <= self.keep:
            return False
        del self.entries[0]
        return True

    @property
    def heights(self) -> list[int]:
        return [each.height for each in self.entries if isinstance(each, FollowedBlock)]
