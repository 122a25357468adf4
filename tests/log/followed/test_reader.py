"""A followed chain is read while it is written."""

from __future__ import annotations

from functools import partial

import pytest
import trio
import trio.testing

from tests.log.followed.made import CHAIN, hash_at, made, transfer
from tests.log.readers import inline
from trio_stream.cometbft.followed import FollowedTip
from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds.selection import FeedSelection
from trio_stream.log.checkpoint import Checkpointer
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import Position

END = Position.end_of
PAGE = PageRequest(FeedSelection(), END(4), END(99), 1 << 20, 1000)


@pytest.fixture
def log(tmp_path):
    with FollowedLog.open(tmp_path, keep=Keep(blocks=2)) as log:
        log.begin(CHAIN)
        for height in (5, 6, 7):
            log.append(made(height, [transfer("me")]))
        yield log


@pytest.fixture
async def reader(log):
    reader = FollowedReader(log.path, run_sync=inline)
    yield reader
    await reader.aclose()


async def test_threads_are_used_by_default(log):
    reader = FollowedReader(log.path)
    assert await reader.tip() == FollowedTip(7, hash_at(7))
    await reader.aclose()


async def test_what_is_appended_is_there_at_once(log, reader):
    assert await reader.tip() == FollowedTip(7, hash_at(7))
    assert [b.height for b in await reader.blocks_after(5, max_bytes=1 << 20)] == [6, 7]
    log.append(made(8))
    assert await reader.tip() == FollowedTip(8, hash_at(8))
    assert (await reader.landmarks(END(8))).found.fingerprint == hash_at(8).hex()
    assert await reader.block(8) == made(8)
    assert await reader.block(9) is None


async def test_pages(reader):
    page = await reader.frames(PAGE)
    assert len(page.ends) == 3
    taken = []

    def take(page):
        taken.append(page)
        return page.end > page.start

    query = parse("transfer.recipient = 'me'")
    request = PAGE._replace(max_bytes=1, selection=FeedSelection(query=query))
    await reader.frame_pages(request, take=take)
    assert [each.end for each in taken[:2]] == [Position(5, 0), Position(6, 0)]
    assert taken[-1].end == END(7)


async def test_what_was_dropped_is_refused(log, reader):
    log.prune()
    with pytest.raises(BelowOldest) as raised:
        await reader.frames(PAGE)
    assert raised.value.oldest == 6

    def take(page):
        raise AssertionError("there is none")

    await reader.frame_pages(PAGE, take=take)


async def test_statistics_of_each_set(reader):
    await reader.tip()
    found = reader.statistics()
    assert (found.channel.threads_free, found.lookups.threads_free) == (1, 2)
    assert found.replay.reads_late == 0


async def test_the_write_ahead_log_starts_over(log, reader, nursery):
    """The same task as for a node's log, which pauses these readers."""
    checkpointer = Checkpointer(log, reader, run_sync=inline, step=1, limit=1)
    stop = trio.Event()
    await nursery.start(partial(reader.run, stop=stop))
    await nursery.start(partial(checkpointer.run, stop=stop))
    sizes = []
    for height in range(8, 12):
        log.append(made(height, [transfer("me")]))
        sizes.append(log.wal_bytes)
        checkpointer.committed()
        await trio.testing.wait_all_tasks_blocked()
    assert max(sizes[1:]) < sizes[0]
    stop.set()


@pytest.mark.parametrize("is_live", [True, False])
async def test_what_follows_a_height_is_taken_as_long_as_it_is_wanted(
    log, reader, is_live
):
    taken = []

    def take(entry):
        taken.append(entry)
        return len(taken) < 2

    assert await reader.each_after(5, take=take, is_live=is_live) == 5
    assert [each.height for each in taken] == [6, 7]
    assert await reader.each_after(7, take=take, is_live=is_live) == 5
    assert len(taken) == 2
