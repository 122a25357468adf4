"""Before the first block: which chain it is, where to start, and whether nodes have our past."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import trio

from trio_stream.cometbft.errors import CometError
from trio_stream.cometbft.followed import FollowedChain
from trio_stream.cometbft.integrity import check_header
from trio_stream.follower.nodes import Node, RunSync
from trio_stream.follower.troubles import Forked, Trouble, WrongChain
from trio_stream.follower.writer import FollowedLog

logger = logging.getLogger(__name__)

Start = Literal["earliest", "tip"] | int

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowSettings:
    """How a chain is followed."""

    start: Start = "tip"
    """Where a new log begins."""
    allow_gaps: bool = False
    confirm: int = 0
    """Blocks that must follow one before it is committed: with 1, its results are confirmed."""
    agree: int = 1
    """Nodes that must say the same of a block."""
    in_flight: int = 4
    """Heights that are asked for at once."""
    poll: float = 1.0
    """Seconds between two questions for the tip."""
    others_have: float = 600.0
    """Seconds for nodes that cannot be asked, while all others say that they will never have it."""
    data_hashes: bool = True
    """Whether `data_hash` is the transactions' own; Celestia's is not."""


async def introduce(
    nodes: list[Node], log: FollowedLog, settings: FollowSettings, run_sync: RunSync
) -> None:
    """Begin the log if it is new, and leave in `nodes` those that may be of its chain.

    Waits until one answers. Raises WrongChain if all that answer are of another chain, and Forked
    if all have another block than ours at the tip.
    """
    chain, tip = await run_sync(lambda: (log.chain(), log.tip()))
    pause = FIRST_PAUSE
    while not await _ask_all(nodes):
        logger.warning("no node answers; asking again in %g s", pause)
        await trio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    known = [node for node in nodes if node.chain_id]
    if chain is None:
        names = sorted({node.chain_id for node in known})
        if len(names) > 1:
            raise WrongChain(
                f"the nodes are of different chains: {', '.join(names)}",
                "give nodes of one chain",
            )
        first = starting_height(known, settings.start)
        begun = FollowedChain(names[0], first)
        await run_sync(lambda: log.begin(begun))
        logger.info("the chain is %r; the log begins at block %d", *names, first)
        if first > (newest := max(node.tip for node in known)):
            text = "block %d does not exist yet, the newest is %d: waiting for it"
            logger.warning(text, first, newest)
        return
    for node in known:
        if node.chain_id != chain.chain_id:
            text = "%s is of the chain %r, not of %r: it is not asked"
            logger.error(text, node.name, node.chain_id, chain.chain_id)
            nodes.remove(node)
    if not nodes:
        raise WrongChain(
            f"the log is of the chain {chain.chain_id!r}, and no node is",
            "give the address of one that is, or another home",
        )
    if tip.hash is None:
        return
    forked = {
        node
        for node in nodes
        if await _is_forked(node, chain.chain_id, tip.height, tip.hash)
    }
    if len(forked) == len(nodes):
        raise Forked(
            f"fork at block {tip.height}: each node has another one than the one that is"
            " stored",
            "was the chain reset or rolled back? Nothing stored is changed: follow the new"
            " history in a new home",
        )
    for node in forked:
        logger.error("%s has another history: it is not asked", node.name)
        nodes.remove(node)


def starting_height(nodes: Sequence[Node], start: Start) -> int:
    """The height at which a new log begins."""
    if isinstance(start, int):
        return start
    if start == "tip":
        return max(1, *(node.tip for node in nodes))
    return max(1, min(node.lowest or 1 for node in nodes))


async def _ask_all(nodes: Sequence[Node]) -> bool:
    """Whether one says what chain it is of."""

    async def ask(node: Node) -> None:
        try:
            await node.status()
        except (Trouble, CometError) as error:
            logger.warning("%s: %s: %s", node.name, type(error).__name__, error)

    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(ask, node)
    return any(node.chain_id for node in nodes)


async def _is_forked(node: Node, chain_id: str, height: int, stored: bytes) -> bool:
    if node.tip < height:
        return False
    try:
        sealed = await node.commit(height)
        check_header(sealed, height=height, chain_id=chain_id)
    except (Trouble, CometError):
        return False
    return sealed.block_id.hash != stored
