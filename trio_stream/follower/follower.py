"""The follower's task: the next height, from any node, checked, committed, announced; for ever.

It ends only by cancellation or with a `Stopped`, which says by name why it cannot go on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import trio

from trio_stream.cometbft.errors import CometError
from trio_stream.cometbft.followed import FollowedBlock, FollowedTip, Gap
from trio_stream.follower.catch_up import Ahead
from trio_stream.follower.checks import Checks
from trio_stream.follower.introduction import FollowSettings, introduce
from trio_stream.follower.nodes import Node, RunSync
from trio_stream.follower.searches import Search
from trio_stream.follower.statistics import SHOWN, FollowerStatistics
from trio_stream.follower.tips import Tips
from trio_stream.follower.troubles import Trouble
from trio_stream.follower.verdicts import Fate, Verdict, verdict
from trio_stream.follower.waking import listen
from trio_stream.follower.writer import FollowedLog

logger = logging.getLogger(__name__)


def _to_nobody(found: Sequence[FollowedBlock | Gap]) -> None:
    """For a follower whose blocks are read from the log alone."""


class Follower:
    """Follows one chain into one log."""

    def __init__(
        self,
        nodes: Sequence[Node],
        log: FollowedLog,
        settings: FollowSettings,
        *,
        advance: Callable[[FollowedTip], None],
        hand_on: Callable[[Sequence[FollowedBlock | Gap]], None] = _to_nobody,
        run_sync: RunSync = trio.to_thread.run_sync,
    ) -> None:
        """`advance` is told how far the log is, after `hand_on` got what was committed."""
        self.nodes = list(nodes)
        self._given = tuple(nodes)
        self._log = log
        self._settings = settings
        self._advance = advance
        self._hand_on = hand_on
        self._run_sync = run_sync
        self._woken = trio.Event()
        self._writing = trio.Lock()
        self._grown = trio.Event()
        self._tips = Tips(self.nodes, agree=settings.agree)
        self._search: Search | None = None
        self._outvoted: list[str] = []

    def statistics(self) -> FollowerStatistics:
        """What is sought, and how it stands with all nodes that were given."""
        search = self._search
        return FollowerStatistics(
            tuple(node.statistics(is_asked=node in self.nodes) for node in self._given),
            0 if search is None else search.height,
            "" if search is None else search.trouble[:SHOWN],
        )

    async def run(self) -> None:
        """Follow until cancelled; raises a Stopped, and what the log raises."""
        ended: list[Exception] = []
        nodes = list(self.nodes)
        try:
            async with trio.open_nursery() as nursery:

                async def until_it_ends(work: Callable[[], Awaitable[None]]) -> None:
                    try:
                        await work()
                    except Exception as error:
                        # It is raised by itself, and not in a group.
                        ended.append(error)
                        nursery.cancel_scope.cancel()

                await until_it_ends(self._introduce)
                for node in self.nodes:
                    nursery.start_soon(listen, node, partial(self._wake, node))
                nursery.start_soon(until_it_ends, self._prune)
                await until_it_ends(partial(self._follow, nursery))
        finally:
            for node in nodes:
                await node.aclose()
        raise ended[0]

    async def _introduce(self) -> None:
        await introduce(self.nodes, self._log, self._settings, self._run_sync)

    def _wake(self, node: Node, height: int) -> None:
        node.saw(height)
        self._woken.set()

    async def _follow(self, nursery: trio.Nursery) -> None:
        async with self._writing:
            chain, tip, last = await self._run_sync(
                lambda: (self._log.chain(), self._log.tip(), self._log.last())
            )
        assert chain is not None
        aheads = [
            Ahead(nursery, in_flight=self._settings.in_flight)
            for _ in range(self._settings.agree)
        ]
        checks = Checks(chain.chain_id, self._settings.data_hashes, self._run_sync)
        checks.committed(tip, last)
        while True:
            if len(aheads) > 1 or not await self._stride(aheads[0], checks):
                await self._step(aheads, checks)

    async def _write(
        self, write: Callable[[], FollowedTip], found: Sequence[FollowedBlock | Gap]
    ) -> FollowedTip:
        """Commit what comes next, and announce it in the same step."""
        async with self._writing:
            tip = await self._run_sync(write)
        self._hand_on(found)
        self._advance(tip)
        self._grown.set()
        self._grown = trio.Event()
        return tip

    async def _prune(self) -> None:
        """Drop what is too old, in steps between which blocks are committed."""
        while True:
            grown, more = self._grown, True
            while more:
                async with self._writing:
                    more = await self._run_sync(self._log.prune)
            await grown.wait()

    async def _step(self, aheads: Sequence[Ahead], checks: Checks) -> None:
        """Commit the next block, or the gap in its place."""
        found = await self._obtain(checks.tip.height + 1, aheads, checks)
        if isinstance(found, Gap):
            text = "blocks %d to %d are missing, and stay so: %s"
            logger.warning(text, found.first, found.last, found.detail)
            tip = await self._write(partial(self._log.gap, found), [found])
            checks.committed(tip, None)
        else:
            tip = await self._write(partial(self._log.append, found), [found])
            checks.committed(tip, found.results)

    async def _stride(self, ahead: Ahead, checks: Checks) -> bool:
        """Commit what came ahead of its turn, in one step; whether there was any.

        One block by itself, and whatever is wrong, is for `_step`.
        """
        height = checks.tip.height + 1
        ahead.want(height, self._tips.newest, self._tips.choose)
        found: list[FollowedBlock] = []
        with suppress(Trouble, CometError):
            for each in await ahead.take_some(height):
                found.append(each.followed())
        if len(found) < 2:
            return False
        count = await self._run_sync(lambda: checks.confirmed(found))
        if count == 0:
            return False
        # What is committed makes room for what comes next.
        ahead.want(height + count, self._tips.newest, self._tips.choose)
        tip = await self._write(
            partial(self._log.append, *found[:count]), found[:count]
        )
        checks.committed(tip, found[count - 1].results)
        return True

    async def _obtain(
        self, height: int, aheads: Sequence[Ahead], checks: Checks
    ) -> FollowedBlock | Gap:
        """What is to be committed for that height, whatever it takes; raises a Stopped."""
        search = self._search = Search(height, self._settings)
        while True:
            for number, ahead in enumerate(aheads):
                last = self._tips.newest if search.is_smooth else 0
                ahead.want(height, last, partial(self._tips.choose, number=number))
            if (found := await self._ask_all(search, aheads, checks)) is not None:
                return found
            search.fail_if_too_few(self.nodes, checks.chain_id)
            if (gap := search.conclusion(self.nodes, trio.current_time())) is not None:
                return gap
            await self._wait(search)

    async def _ask_all(
        self, search: Search, aheads: Sequence[Ahead], checks: Checks
    ) -> FollowedBlock | None:
        """Ask one node after the other, until as many as must have said the same."""
        asked = set[Node]()
        while True:
            order = [node for node in search.order(self.nodes) if node not in asked]
            if not order:
                return None
            ahead = aheads[len(search.agreement) % len(aheads)]
            found = await self._try(order[0], search, ahead, checks)
            if found is None:
                asked.add(order[0])
                continue
            node, block = found
            if len(aheads) == 1:
                return block
            asked.add(node)
            agreed = partial(search.agreement.add, node, block)
            if (result := await self._run_sync(agreed)) is not None:
                self._note_outvoted(search)
                return result

    def _note_outvoted(self, search: Search) -> None:
        """Say who lies, or has lost something, when that begins and not of each block."""
        names = search.agreement.outvoted
        if names and names != self._outvoted:
            text = "block %d: %s is outvoted: %s"
            who = ", ".join(names)
            logger.warning(text, search.height, who, search.agreement.text)
        self._outvoted = names or self._outvoted

    async def _try(
        self, node: Node, search: Search, ahead: Ahead, checks: Checks
    ) -> tuple[Node, FollowedBlock] | None:
        """What a node says, or another one that was asked ahead of time; None if it is no use."""
        height, tip = search.height, node.tip
        try:
            taken = await ahead.take(height) if search.is_smooth else None
            if taken is not None and not search.agreement.has(taken[0]):
                # It was asked for when this was perhaps the node's tip.
                (node, pair), tip = taken, height
            elif search.wants_websocket(node):
                pair = await node.large_pair(height)
            else:
                pair = await node.pair(height)
            followed = pair.followed()
            await checks.check(followed)
            if self._tips.newest > height:
                await checks.check_with_next(
                    followed, node, ahead, needed=bool(self._settings.confirm)
                )
            return node, followed
        except (Trouble, CometError) as error:
            ahead.forget()
            found = await self._verdict(error, node, checks, height, tip)
            level = logging.DEBUG if found.fate is Fate.NOT_YET else logging.WARNING
            logger.log(level, "block %d from %s: %s", height, node.name, found.detail)
            if found.fate is Fate.OTHER_CHAIN:
                self.nodes.remove(node)
            if found.reason is not None:
                # Of several machines behind one address the next may be another one.
                await node.aclose()
            search.note(node, found, trio.current_time())
            return None

    async def _verdict(
        self, error: Exception, node: Node, checks: Checks, height: int, tip: int
    ) -> Verdict:
        """What follows from `error`, where that takes another question to know."""
        found = verdict(error, height=height, tip=tip)
        try:
            if found.reason == "results_missing" and not await node.lacks_results(
                height
            ):
                return verdict(error, height=height, tip=height)
        except (Trouble, CometError) as trouble:
            return verdict(trouble, height=height, tip=tip)
        if found.fate is Fate.FORK and not await checks.is_forked(node):
            return verdict(Trouble(found.detail), height=height, tip=tip)
        return found

    async def _wait(self, search: Search) -> None:
        """Wait for a node's word, or until it is time to ask again."""
        with trio.move_on_after(search.pause(self._tips.newest)):
            await self._woken.wait()
        self._woken = trio.Event()
        if self._tips.newest < search.needed or not search.is_smooth:
            # It may be that only one that is behind can still help.
            await self._tips.poll(
                search.needed, is_enough=lambda: bool(search.order(self.nodes))
            )
