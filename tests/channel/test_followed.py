"""A followed chain on its way to the channel: what is made for whom, and what the log drops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.log.followed.made import CHAIN, event, hash_at, made, transfer
from tests.log.readers import inline
from trio_stream.abci.messages import Time
from trio_stream.channel.clones import CommitReceiveChannel
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.channel.tally import TallyStatistics
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.cometbft.query_parser import parse
from trio_stream.cometbft.results import read_results
from trio_stream.feeds.composer import LONG_EVENTS
from trio_stream.feeds.selection import ALL_TRANSACTIONS, Feed, FeedSelection
from trio_stream.log.errors import LogDamaged
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.frames import texts_in
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.request import Asked, NamedPlace
from trio_stream.stream.resume import ResumeRefused

END = Position.end_of
EVENTS, BLOCKS = FeedSelection(Feed.EVENTS), FeedSelection(Feed.BLOCKS)
MINE = FeedSelection(query=parse("transfer.recipient = 'me'"))
Channel = CommitChannel[FeedSelection]
Clone = CommitReceiveChannel[FeedSelection]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FollowedLog]:
    with FollowedLog.open(tmp_path, keep=Keep(blocks=2)) as log:
        yield log


@pytest.fixture
async def blocks(log: FollowedLog) -> AsyncIterator[FollowedBlocks]:
    reader = FollowedReader(log.path, run_sync=inline)
    yield FollowedBlocks(reader)
    await reader.aclose()


@asynccontextmanager
async def running(
    blocks: FollowedBlocks, *, tail_bytes: int = 1 << 20
) -> AsyncIterator[Channel]:
    channel, stop = CommitChannel(blocks, tail_bytes=tail_bytes), trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(channel.run, stop=stop))
        yield channel
        stop.set()


def append(log: FollowedLog, *heights: int) -> None:
    for height in heights:
        log.append(made(height, [transfer("me")], [transfer("you")]))


def prune(log: FollowedLog) -> None:
    while log.prune():
        pass


async def replayed(
    blocks: FollowedBlocks, selection: FeedSelection, *, after: int
) -> bytes:
    """What the log makes of everything after a height."""
    tip = (await blocks.extent()).tip
    request = PageRequest(selection, END(after), END(tip), 1 << 30, 1 << 30)
    data = b""
    while request.after < request.until:
        page = await blocks.frames(request)
        data += page.data
        request = request.following(page)
    return data


async def read(clone: Clone, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += (await clone.receive()).data
    return data


async def test_what_was_followed_is_counted(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    assert await blocks.extent() == (4, 4)
    assert await blocks.read_after(4) is None
    log.append(made(5, [transfer("me")], [], ended=[event("slash")]))
    log.gap(Gap(6, 8, "pruned", "nobody has them"))
    log.append(made(9, [transfer("me"), transfer("you")]))

    read = await blocks.read_after(4)

    assert read is not None and read.height == 9
    (live,) = read.lives
    assert (live.start, live.end) == (END(4), END(9))
    assert live.fingerprint == hash_at(9).hex()
    assert live.weight > 1_000
    assert blocks.tally.newest == (9, Time(1795852809, 7))
    assert blocks.tally.statistics() == TallyStatistics(2, 4, {}, 3, 3)
    log.gap(Gap(10, 11, "pruned", ""))
    read = await blocks.read_after(9)
    assert read is not None and read.height == 11
    assert blocks.tally.newest == (11, Time(1795852809, 7))


async def test_transactions_that_failed_are_counted(blocks: FollowedBlocks) -> None:
    block = made(5, [transfer("me")], [])
    raw = block.raw_results
    raw["txs_results"][1]["code"] = 7
    tally = blocks.tally
    tally.count([made(5, [transfer("me")], [])])
    assert tally.statistics().refused == {}
    tally.count([FollowedBlock(block.block, read_results(raw), block.raw_block, raw)])
    assert tally.statistics().refused == {"failed": 1}
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("selection", [ALL_TRANSACTIONS, EVENTS, BLOCKS, MINE])
async def test_live_and_replayed_messages_are_the_same(
    log: FollowedLog, blocks: FollowedBlocks, selection: FeedSelection
) -> None:
    log.begin(CHAIN)
    async with running(blocks) as channel:
        clone = channel.clone(END(4), selection=selection)
        got: list[bytes] = []

        async def listen() -> None:
            async for batch in clone:
                got.extend(texts_in(batch.data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            append(log, 5, 6)
            channel.advance(6)
            await wait_all_tasks_blocked()
            log.gap(Gap(7, 9, "pruned", ""))
            append(log, 10)
            channel.advance(10)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        wanted = await replayed(blocks, selection, after=4)
        assert got == list(texts_in(wanted))
        assert any(text.startswith(b'{"gap": {"first": 7') for text in got)


async def test_messages_of_all_transactions_are_made_while_somebody_reads_them(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    append(log, 5)
    read_ = await blocks.read_after(4)
    assert read_ is not None
    (live,) = read_.lives
    assert live.shared(wanted=False) is None
    frames = live.shared(wanted=True)
    assert frames is not None and len(frames.ends) == 2
    log.append(made(6, ended=[event("slash")]))
    read_ = await blocks.read_after(5)
    assert read_ is not None
    (live,) = read_.lives
    frames = live.shared(wanted=False)  # it has none
    assert frames is not None and (frames.end, frames.data) == (END(6), b"")


@pytest.mark.parametrize("selection", [ALL_TRANSACTIONS, EVENTS, BLOCKS])
async def test_what_was_just_committed_is_not_read_back(
    log: FollowedLog, blocks: FollowedBlocks, selection: FeedSelection
) -> None:
    log.begin(CHAIN)
    async with running(blocks) as channel:
        clone = channel.clone(END(4), selection=selection)
        got: list[bytes] = []

        async def listen() -> None:
            async for batch in clone:
                got.extend(texts_in(batch.data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await wait_all_tasks_blocked()
            new: list[FollowedBlock | Gap] = [
                made(5, [transfer("me")], []),
                Gap(6, 7, "pruned", ""),
                made(8),
            ]
            for each in new:
                if isinstance(each, Gap):
                    log.gap(each)
                else:
                    log.append(each)
            append(log, 9)  # this one nobody handed on
            blocks.fresh.add(new)
            channel.advance(9)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert not blocks.fresh
        assert got == list(texts_in(await replayed(blocks, selection, after=4)))


async def test_what_was_not_made_is_read_from_the_log_and_what_follows_is_not(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    append(log, 5, 6)
    async with running(blocks) as channel:  # nobody reads these
        clone = channel.clone(END(5))
        assert clone.live and not clone.at_tip
        append(log, 7)
        channel.advance(7)
        await wait_all_tasks_blocked()
        wanted = await replayed(blocks, ALL_TRANSACTIONS, after=5)
        assert await read(clone, len(wanted)) == wanted
        assert clone.at_tip and clone.live


async def test_a_huge_block_is_read_from_the_log(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    async with running(blocks) as channel:
        got: dict[FeedSelection, bytes] = {}
        selections = (ALL_TRANSACTIONS, EVENTS, MINE)

        async def listen(selection: FeedSelection, wanted: int) -> None:
            got[selection] = await read(clones[selection], wanted)

        clones = {s: channel.clone(END(4), selection=s) for s in selections}
        log.append(made(5, [transfer("me")] * (LONG_EVENTS + 1)))
        append(log, 6)
        wanted = {s: await replayed(blocks, s, after=4) for s in selections}
        async with trio.open_nursery() as nursery:
            for selection in selections:
                nursery.start_soon(listen, selection, len(wanted[selection]))
            await wait_all_tasks_blocked()
            channel.advance(6)
        assert got == wanted


async def test_clients_of_a_log_that_is_still_empty_get_all_of_it(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    async with running(blocks) as channel:
        now = await channel.begin(Asked(selection=EVENTS))
        assert now.after == END(0)
        clones = [channel.clone(now.after, selection=s) for s in (EVENTS, BLOCKS)]
        plain = channel.clone(now.after)
        got: dict[Clone, bytes] = {}

        async def listen(clone: Clone) -> None:
            got[clone] = bytes((await clone.receive()).data)

        async with trio.open_nursery() as nursery:
            for clone in (*clones, plain):
                nursery.start_soon(listen, clone)
            await wait_all_tasks_blocked()
            log.begin(CHAIN)
            append(log, 5)
            channel.advance(5)
        assert got[clones[0]] == await replayed(blocks, EVENTS, after=4)
        assert got[clones[1]] == await replayed(blocks, BLOCKS, after=4)
        assert got[plain] == await replayed(blocks, ALL_TRANSACTIONS, after=4)


async def test_who_waited_for_what_was_dropped_before_it_was_announced_is_told(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    append(log, 5)
    async with running(blocks) as channel:
        refused: list[ResumeRefused] = []

        async def listen(selection: FeedSelection) -> None:
            clone = channel.clone(END(5), selection=selection)
            with pytest.raises(ResumeRefused) as caught:
                await clone.receive()
            refused.append(caught.value)
            clone.close()

        async with trio.open_nursery() as nursery:
            for selection in (ALL_TRANSACTIONS, EVENTS, MINE):
                nursery.start_soon(listen, selection)
            await wait_all_tasks_blocked()
            append(log, 6, 7, 8, 9)
            prune(log)
            with pytest.raises(BelowOldest):
                await blocks.read_after(5)
            channel.advance(9)
        assert [each.status for each in refused] == [410] * 3
        assert {each.members()["oldest"] for each in refused} == {8}
        assert refused[0].error == "pruned"
        assert "what follows position 5 is no longer here" in str(refused[0])
        # Whoever begins where there is something gets it.
        start = await channel.begin(Asked(selection=EVENTS, after=NamedPlace.EARLIEST))
        clone = channel.clone(start.after, selection=EVENTS)
        wanted = await replayed(blocks, EVENTS, after=7)
        assert await read(clone, len(wanted)) == wanted


@pytest.mark.parametrize("selection", [ALL_TRANSACTIONS, EVENTS, MINE])
async def test_a_reader_that_pruning_overtakes_is_told(
    log: FollowedLog, blocks: FollowedBlocks, selection: FeedSelection
) -> None:
    log.begin(CHAIN)
    async with running(blocks, tail_bytes=1) as channel:
        append(log, 5, 6, 7, 8)
        channel.advance(8)
        await wait_all_tasks_blocked()
        clone = channel.clone(END(4), selection=selection)
        batch = await clone.receive()
        clone.seek(batch.take(1)[1])  # it was given one message
        assert clone.position == Position(5, 0)
        prune(log)
        del batch
        clone.close()
        again = channel.clone(Position(5, 0), selection=selection)
        with pytest.raises(ResumeRefused) as caught:
            await again.receive()
        assert (caught.value.status, caught.value.close_code) == (410, 4410)


async def test_little_is_read_before_anybody_can_subscribe(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    append(log, 5, 6, 7)
    async with running(blocks) as channel:
        assert channel.newest.height == 7
        assert blocks.tally.statistics().blocks == 1
        assert channel.end_text == f"7::{hash_at(7).hex()[:8]}"


async def test_what_was_announced_and_is_missing_is_an_error(
    log: FollowedLog, blocks: FollowedBlocks
) -> None:
    log.begin(CHAIN)
    with pytest.RaisesGroup(LogDamaged, flatten_subgroups=True):
        async with running(blocks) as channel:
            channel.advance(7)
            await trio.sleep_forever()


async def test_nothing_else_ends_with_the_channel(blocks: FollowedBlocks) -> None:
    blocks.end()
    assert not blocks.index
    await trio.lowlevel.checkpoint()
