"""Whether what a node gave can be what comes next, held against what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import trio

from trio_stream.cometbft.blocks import Block, SealedHeader
from trio_stream.cometbft.errors import (
    AppHashMismatch,
    BadBody,
    CometError,
    Mismatch,
    Refusal,
    ResultsHashMismatch,
)
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip
from trio_stream.cometbft.integrity import (
    check_block,
    check_header,
    check_link,
    check_next,
    check_results,
)
from trio_stream.cometbft.results import BlockResults
from trio_stream.follower.catch_up import Ahead
from trio_stream.follower.nodes import Node, RunSync
from trio_stream.follower.troubles import ContradictsStored, Trouble


class Checks:
    """What is stored, and all that follows from it for the next height."""

    def __init__(
        self,
        chain_id: str,
        data_hashes: bool,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        self.chain_id = chain_id
        self.tip = FollowedTip(0, None)
        self._last: BlockResults | None = None
        self._data_hashes = data_hashes
        self._run_sync = run_sync

    def committed(self, tip: FollowedTip, results: BlockResults | None) -> None:
        """What is stored now, and what the newest block's results are."""
        self.tip = tip
        self._last = results

    def confirmed(self, found: Sequence[FollowedBlock]) -> int:
        """How many of these, in a row, come next, each confirmed by the header after it.

        It takes time, and belongs in a thread. What is wrong with the others `check` says.
        """
        height, before, results = self.tip.height, self.tip.hash, self._last
        count = 0
        with suppress(CometError):
            for each in found:
                height += 1
                self._check_itself(each, height)
                if before is not None:
                    check_link(before, each.block)
                if results is not None:
                    check_next(results, each.block.header)
                count += 1
                before, results = each.hash, each.results
        # The last one is right by itself; the header after it has not been seen.
        return max(0, count - 1)

    async def check(self, found: FollowedBlock) -> None:
        """Raise a Mismatch if `found` cannot be the next block."""
        await self._run_sync(lambda: self._check(found))

    def _check(self, found: FollowedBlock) -> None:
        self._check_itself(found, self.tip.height + 1)
        if self.tip.hash is not None:
            check_link(self.tip.hash, found.block)
        if self._last is not None:
            try:
                check_next(self._last, found.block.header)
            except (ResultsHashMismatch, AppHashMismatch) as error:
                raise ContradictsStored(str(error)) from error

    def _check_itself(self, found: FollowedBlock, height: int) -> None:
        check_block(
            found.block, height=height, chain_id=self.chain_id, data=self._data_hashes
        )
        check_results(found.block, found.results)

    async def check_with_next(
        self, found: FollowedBlock, node: Node, ahead: Ahead, *, needed: bool = False
    ) -> None:
        """Raise a Mismatch if the header after `found` does not commit to it.

        Raises Trouble if that is `needed` and not to be had.
        """
        following = await self._following(found.height + 1, node, ahead)
        if following is None:
            if needed:
                raise Trouble(f"the header of block {found.height + 1} is not there")
            return
        check_header(following, height=found.height + 1, chain_id=self.chain_id)
        try:
            check_link(found.hash, following)
        except Mismatch as error:
            # Not another history than ours: two machines with one each, or a lie.
            raise Mismatch(str(error)) from error
        await self._run_sync(lambda: check_next(found.results, following.header))

    async def _following(
        self, height: int, node: Node, ahead: Ahead
    ) -> SealedHeader | None:
        try:
            taken = await ahead.take(height)
            if taken is not None:
                if isinstance(taken[1].block, Block):
                    return taken[1].block
        except (Trouble, CometError):
            # Its own turn will tell; for this one a commit is enough.
            pass
        if node.tip < height:
            return None
        try:
            return await node.commit(height)
        except (Trouble, BadBody, Refusal):
            # A proxy may not let it through.
            block = (await node.pair(height)).block
            return None if isinstance(block, Refusal) else block

    async def is_forked(self, node: Node) -> bool:
        """Whether the node has another block at the height of ours; raises nothing."""
        try:
            sealed = await node.commit(self.tip.height)
            check_header(sealed, height=self.tip.height, chain_id=self.chain_id)
        except (Trouble, CometError):
            return False
        return sealed.block_id.hash != self.tip.hash
