"""What the log answers its readers while it is being written."""

from __future__ import annotations

import threading
from functools import partial

import pytest
import trio
import trio.testing

from scripts.bench.dear_transactions import dear_create
from scripts.signing import create, encode, transfer
from tests.history import accepted_of, app_hash_of, asset_of, commit_blocks
from tests.ledger.chains import ALICE, BOB
from tests.log.readers import BLOCKS, END, EVENTS, MEGABYTE, START, inline, open_reader
from trio_stream.abci.messages import Time
from trio_stream.ledger.block import MAX_HEIGHT, Chain, Tip
from trio_stream.log import lookups
from trio_stream.log import reader as log_reader
from trio_stream.log import search
from trio_stream.log.errors import LogNotAccessible
from trio_stream.log.lookups import BEGINNING
from trio_stream.log.reader import QUICK_BYTES, LogReader
from trio_stream.log.search import Documents, SearchTooLong
from trio_stream.log.writer import CommitLog
from trio_stream.stream.frames import frame_events
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.stream.selection import PLAIN
from trio_stream.transactions.candidate import REFUSED_SHARE, CandidateCache
from trio_stream.transactions.elections import Validator
from trio_stream.transactions.errors import (
    DoubleSpend,
    InputDoesNotExist,
    TooCostly,
)


async def test_a_log_without_blocks(young):
    log, reader = young
    assert await reader.tip() == Tip(0, "")
    assert await reader.blocks_after(0, max_bytes=MEGABYTE) == []
    page = await page_after(reader, START)
    assert (page.data, page.end) == (b"", START)
    assert await reader.landmarks(START) == Landmarks()
    assert await reader.block(0) is None
    assert await reader.outcome("0" * 64) is None


def test_reading_a_directory_without_a_log_fails_at_once(tmp_path):
    with pytest.raises(LogNotAccessible, match="cannot open"):
        LogReader(tmp_path / "log.db", CandidateCache(0))


async def test_a_commit_is_seen_by_the_next_read(young):
    log, reader = young
    for height in range(1, 8):
        commit_blocks(log, 1)
        assert await reader.tip() == Tip(height, app_hash_of(height))


def page_after(reader, position, *, max_rows=10):
    return reader.frames(PageRequest(PLAIN, position, END, MEGABYTE, max_rows))


@pytest.mark.parametrize("max_rows", [1, 3, 1000])
async def test_pages_joined_are_the_log(reader, max_rows):
    frames, position = b"", START
    while position < Position.end_of(BLOCKS):
        page = await page_after(reader, position, max_rows=max_rows)
        assert page.end > position
        frames += page.data
        position = page.end
    assert frames == frame_events(EVENTS, start=START, end=START).data


async def test_pages_are_made_in_one_thread_until_no_more_is_taken(log):
    reader = open_reader(log, run_sync=trio.to_thread.run_sync)
    wanted = [await page_after(reader, START)]
    while len(wanted) < 4:
        wanted.append(await page_after(reader, wanted[-1].end))
    taken, threads = [], set()

    def take(page):
        threads.add(threading.get_ident())
        taken.append(page)
        return len(taken) < 4

    request = PageRequest(PLAIN, START, END, MEGABYTE, 10)
    await reader.frame_pages(request, take=take)
    await reader.aclose()

    assert [page.data for page in taken] == [page.data for page in wanted]
    assert taken[-1].end == wanted[-1].end
    assert len(threads) == 1
    assert threading.get_ident() not in threads


@pytest.mark.parametrize(
    "position",
    [Position(BLOCKS + 1, 0), Position(2**62, 2**62), Position(MAX_HEIGHT + 1, 0)],
)
async def test_a_position_ahead_of_the_log_has_nothing_after_it(reader, position):
    page = await page_after(reader, position)
    assert (page.data, page.end) == (b"", position)


async def test_a_transaction_is_found_by_its_id(reader):
    for document in accepted_of(2):
        assert await reader.transaction(document["id"]) == encode(document)
    for unknown in ("", "0" * 64, asset_of(2)["id"].upper(), "\ud800", "x" * 10**6):
        assert await reader.transaction(unknown) is None


async def test_a_long_transaction_is_read_in_a_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(log_reader, "QUICK_READ_BYTES", 10)
    threads = []

    async def run_sync(work, *, limiter):
        threads.append(limiter)
        return await inline(work, limiter=limiter)

    with CommitLog.open(tmp_path) as log:
        commit_blocks(log, 2)
        reader = LogReader(log.path, CandidateCache(1 << 20), run_sync=run_sync)
        document = accepted_of(2)[0]
        assert await reader.transaction(document["id"]) == encode(document)
        assert len(threads) == 1
        await reader.aclose()


async def test_look_ups_answer_what_is_committed(reader, log):
    """The same as on any other connection, whose answers `test_lookups` looks at."""
    asset = asset_of(1)["id"]
    page = dict(after=BEGINNING, limit=100)
    db = log.connection

    assert await reader.block(2) == lookups.block_page(2, BEGINNING, db)
    place = await reader.position_of(asset)
    assert place == Position(1, 0).key
    assert await reader.heights_with(asset) == [1]
    assert await reader.outcome(asset) == EVENTS[0]
    assert await reader.outputs(ALICE.public, spent=None, **page) == (
        lookups.outputs_page(ALICE.public, None, BEGINNING, 100, db)
    )
    assert await reader.transactions(asset, operation=None, **page) == (
        lookups.transactions_page(asset, None, BEGINNING, 100, db)
    )
    assert await reader.last_transaction(
        asset, operation=None, after=BEGINNING
    ) == lookups.last_transaction(asset, None, BEGINNING, db)
    assert await reader.bodies([place], max_bytes=1) == [(asset, encode(asset_of(1)))]
    assert list(await reader.contents([Position(1, 0)], max_bytes=MEGABYTE)) == [place]


async def test_the_validators_are_those_of_the_chain(young):
    log, reader = young
    assert await reader.validators() == []
    validators = (Validator("ed25519", b"k" * 32, 10),)
    log.begin_chain(Chain("test", 1, "", 1, Time(0, 0), validators))
    assert await reader.validators() == [*validators]


async def test_a_search_finds_or_is_given_up(reader, monkeypatch):
    found = await reader.search(Documents.METADATA, asset_of(1)["id"], 0)
    assert list(found) == [Position(1, 0).key]
    monkeypatch.setattr(search, "search", lambda *_: None)
    with pytest.raises(SearchTooLong):
        await reader.search(Documents.METADATA, "word", 0)


async def test_it_watches_its_reads_until_it_is_stopped(reader):
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(reader.run, stop=stop))
        async with reader.paused():
            assert reader.statistics().channel.threads_free == 0
        stop.set()
    assert reader.statistics().channel.threads_free == 1


async def test_transactions_are_examined_against_what_is_committed(reader):
    asset = asset_of(BLOCKS)
    good = encode(transfer(asset, ALICE, recipients=[(BOB, 1)]))
    spent = encode(transfer(asset_of(1), ALICE, recipients=[(BOB, 1)]))
    unknown = encode(transfer(create(BOB), BOB))

    await reader.examine(good)
    with pytest.raises(DoubleSpend):
        await reader.examine(spent)
    with pytest.raises(InputDoesNotExist):
        await reader.examine(unknown)


async def test_what_is_too_expensive_to_judge_is_refused(reader):
    dear = dear_create(ALICE, signatures=500, prefix_bytes=200_000, real=False)
    with pytest.raises(TooCostly, match="about 4"):
        await reader.examine(dear)


async def test_what_is_refused_leaves_most_of_the_cache_to_others(log):
    cache = CandidateCache(MEGABYTE)
    reader = LogReader(log.path, cache, run_sync=inline)
    good = encode(transfer(asset_of(BLOCKS), ALICE, recipients=[(BOB, 1)]))
    await reader.examine(good)
    size = cache.size
    for n in range(40):
        unknown = transfer(create(BOB), BOB, metadata={"n": n, "text": "x" * 10_000})
        with pytest.raises(InputDoesNotExist):
            await reader.examine(encode(unknown))
    assert cache.has(good)
    assert size < cache.size <= size + MEGABYTE // REFUSED_SHARE
    await reader.aclose()


async def test_large_transactions_are_judged_apart_from_lookups(log, monkeypatch):
    """Their threads stand still; look-ups go on, and so do small ones."""
    standing = trio.Event()

    async def run_sync(work, *, limiter):
        if limiter.total_tokens == 7 and not standing.is_set():
            async with limiter:
                await standing.wait()
        return await inline(work, limiter=limiter)

    monkeypatch.setattr(log_reader, "JUDGES", 7)
    reader = open_reader(log, run_sync=run_sync)
    small = create(ALICE)
    large = create(ALICE, metadata={"a": "x" * QUICK_BYTES})
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(reader.examine, encode(large))
        await trio.testing.wait_all_tasks_blocked()
        await reader.examine(encode(small))
        assert await reader.block(2) is not None
        standing.set()
    await reader.aclose()
