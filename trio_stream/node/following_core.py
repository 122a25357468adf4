"""What a follower's doors serve: the log of another chain, what writes and reads it, the nodes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar, cast

import trio

from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.cometbft.events import Spelling
from trio_stream.cometbft.followed import FollowedTip
from trio_stream.config import FollowConfig
from trio_stream.engine.catching_up import CatchingUp
from trio_stream.feeds.selection import FeedSelection
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings, Start
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.disk import Disk
from trio_stream.log.followed.index import ALL, FLAGGED, NOTHING, IndexedKeys
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BEHIND: Final = 2
"""Blocks from which on one line for each would be too many."""

_INDEXED: Final = {"flagged": FLAGGED, "all": ALL, "none": NOTHING}
_SPELLINGS: Final = {"plain": Spelling.PLAIN, "base64": Spelling.BASE64}


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowCore:
    """What the doors serve; open until the stack is closed that it was opened with."""

    channel: CommitChannel[FeedSelection]
    checkpointer: Checkpointer
    disk: Disk
    follower: Follower
    log: FollowedLog
    reader: FollowedReader
    announced: list[Callable[[int], None]]
    """Who is told of each height that is stored."""
    committed: Callable[[FollowedTip], None]
    """Tells them."""


def open_follow_core(config: FollowConfig, stack: AsyncExitStack) -> FollowCore:
    """Open the log, and make what reads and writes it. Raises `CommitLogError`."""
    keep = Keep(config.keep.blocks, config.keep.seconds, config.keep.bytes)
    log = stack.enter_context(
        FollowedLog.open(config.home, keys=_keys(config), keep=keep)
    )
    _say_what_is_there(config, log)
    reader = FollowedReader(log.path)
    stack.push_async_callback(reader.aclose)
    blocks = FollowedBlocks(reader)
    channel = CommitChannel(
        blocks,
        tail_bytes=config.tail_bytes,
        resume_ahead=config.resume_ahead,
    )
    checkpointer = Checkpointer(log, reader)
    catching_up = CatchingUp(log.tip().height)
    announced: list[Callable[[int], None]] = [channel.advance, catching_up.committed]

    def committed(tip: FollowedTip) -> None:
        for announce in announced:
            announce(tip.height)
        checkpointer.committed()
        behind = max((node.tip for node in follower.nodes), default=0) - tip.height
        level = logging.DEBUG if behind > _BEHIND else logging.INFO
        logger.log(level, "height %d is committed", tip.height)

    limiter = trio.CapacityLimiter(1)

    async def run_sync(call: Callable[[], T], /) -> T:
        return cast(T, await channel.run_undisturbed(call, limiter=limiter))

    asked = node_settings_of(config)
    follower = Follower(
        [Node(url, asked) for url in config.node],
        log,
        settings_of(config),
        advance=committed,
        hand_on=blocks.fresh.add,
        run_sync=run_sync,
    )
    return FollowCore(
        channel=channel,
        checkpointer=checkpointer,
        disk=Disk(log.path),
        follower=follower,
        log=log,
        reader=reader,
        announced=announced,
        committed=committed,
    )


def node_settings_of(config: FollowConfig) -> NodeSettings:
    """How each node is asked."""
    return NodeSettings(
        rate=config.rate,
        in_flight=config.in_flight,
        body_limit=config.answer_bytes,
        spelling=_SPELLINGS.get(config.attributes),
    )


def settings_of(config: FollowConfig) -> FollowSettings:
    """How the chain is followed."""
    return FollowSettings(
        start=cast(Start, config.from_),
        allow_gaps=config.allow_gaps,
        confirm=config.confirm,
        agree=config.agree,
        in_flight=config.in_flight,
        data_hashes=config.data_hashes,
    )


def _keys(config: FollowConfig) -> IndexedKeys:
    named = config.index_keys
    return _INDEXED[named] if isinstance(named, str) else IndexedKeys(frozenset(named))


def _say_what_is_there(config: FollowConfig, log: FollowedLog) -> None:
    chain, tip = log.chain(), log.tip()
    if chain is None:
        logger.info("a new log in %s, from %s on", config.home, config.from_)
        return
    logger.info(
        "going on with %r after block %d; its log begins at block %d",
        *(chain.chain_id, tip.height, chain.first),
    )
    if isinstance(config.from_, int) and config.from_ != chain.first:
        logger.warning(
            "from = %d is only for a new log, and is ignored: this one begins at block %d;"
            " to begin elsewhere use another home",
            *(config.from_, chain.first),
        )
