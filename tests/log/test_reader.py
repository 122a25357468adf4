"""What the log tells its readers while it is written."""

from __future__ import annotations

import hashlib
import threading
from functools import partial

import pytest
import trio
import trio.testing

from scripts.bench.dear_transactions import dear_create
from scripts.signing import create, encode, transfer
from tests.history import (
    accepted_of,
    app_hash_of,
    asset_of,
    commit_blocks,
    txs_of,
)
from tests.ledger.chains import ALICE, BOB, new_engine
from trio_stream.ledger.block import MAX_HEIGHT, Tip
from trio_stream.log import lookups
from trio_stream.log import reader as log_reader
from trio_stream.log.connections import LATE_SECONDS, ConnectionsStatistics
from trio_stream.log.errors import LogNotAccessible
from trio_stream.log.live import EVENT_BYTES
from trio_stream.log.lookups import BEGINNING
from trio_stream.log.reader import LOOKUP_THREADS, QUICK_BYTES, LogReader
from trio_stream.log.writer import CommitLog
from trio_stream.stream.events import CommitEvent, RefusalEvent
from trio_stream.stream.frames import frame_events
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Found, Landmarks
from trio_stream.stream.selection import PLAIN
from trio_stream.transactions.candidate import REFUSED_SHARE, CandidateCache
from trio_stream.transactions.errors import (
    DoubleSpend,
    InputDoesNotExist,
    TooCostly,
)

MEGABYTE = 1 << 20
BLOCKS = 12


async def inline(function, *, limiter):
    """Runs in this thread what would run in another one."""
    async with limiter:
        return function()


def open_reader(log, *, run_sync=inline):
    return LogReader(log.path, CandidateCache(MEGABYTE), run_sync=run_sync)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Twelve blocks of the history; tests only read them."""
    with CommitLog.open(tmp_path_factory.mktemp("log")) as log:
        commit_blocks(log, BLOCKS)
        yield log


@pytest.fixture
async def reader(log):
    reader = open_reader(log)
    yield reader
    await reader.aclose()


@pytest.fixture
async def young(tmp_path):
    """A log without a block, and its reader."""
    with CommitLog.open(tmp_path) as log:
        reader = open_reader(log)
        yield log, reader
        await reader.aclose()


def events_of(height):
    """The events that a block of the history causes."""
    index_of = {raw: index for index, raw in reversed([*enumerate(txs_of(height))])}
    return [
        CommitEvent(
            height,
            index_of[encode(document)],
            document["asset"].get("id", document["id"]),
            document["id"],
            hashlib.sha256(encode(document)).digest(),
            document["operation"],
        )
        for document in accepted_of(height)
    ]


START, END = Position.end_of(0), Position.end_of(MAX_HEIGHT)
EVENTS = [event for height in range(1, BLOCKS + 1) for event in events_of(height)]


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


async def test_reads_run_in_threads_unless_told_otherwise(log):
    reader = open_reader(log, run_sync=trio.to_thread.run_sync)
    assert await reader.tip() == Tip(BLOCKS, app_hash_of(BLOCKS))
    assert len(await reader.blocks_after(0, max_bytes=MEGABYTE)) == BLOCKS
    await reader.aclose()


# The channel's reads


async def test_blocks_come_whole_and_in_order(reader):
    blocks = await reader.blocks_after(0, max_bytes=MEGABYTE)
    assert [block.height for block in blocks] == list(range(1, BLOCKS + 1))
    assert [block.app_hash for block in blocks] == [
        app_hash_of(height) for height in range(1, BLOCKS + 1)
    ]
    assert [event for block in blocks for event in block.events] == EVENTS
    refused = blocks[1].refused
    assert [type(each) for each in refused] == [RefusalEvent, RefusalEvent]
    assert [each.index for each in refused] == [1, len(txs_of(2)) - 1]
    assert [each.transaction_id for each in refused] == [None, asset_of(2)["id"]]
    assert refused[0].tx_sha256 == hashlib.sha256(b"nonsense").digest()


async def test_blocks_are_those_above_the_height(reader):
    blocks = await reader.blocks_after(9, max_bytes=MEGABYTE)
    assert [block.height for block in blocks] == [10, 11, 12]
    assert await reader.blocks_after(BLOCKS, max_bytes=MEGABYTE) == []
    assert await reader.blocks_after(BLOCKS + 5, max_bytes=MEGABYTE) == []


@pytest.mark.parametrize("max_bytes", [0, 1, 1000, 3000, MEGABYTE])
async def test_blocks_are_bounded_in_bytes_but_there_is_always_one(reader, max_bytes):
    height, events = 0, []
    while blocks := await reader.blocks_after(height, max_bytes=max_bytes):
        rows = sum(len(block.events) + len(block.refused) for block in blocks)
        assert len(blocks) == 1 or rows * EVENT_BYTES <= max_bytes
        events += [event for block in blocks for event in block.events]
        height = blocks[-1].height
    assert height == BLOCKS
    assert events == EVENTS


# Replay


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


# Places


REFUSED = Position(2, 1)


@pytest.mark.parametrize(
    ("place", "fingerprint"),
    [
        *((Position(e.height, e.index), e.transaction_id) for e in EVENTS[:3]),
        (Position.end_of(7), app_hash_of(7)),
        (Position.end_of(5), app_hash_of(4)),
        (REFUSED, hashlib.sha256(b"nonsense").hexdigest()),
        (Position(5, 0), None),
        (Position(2, 99), None),
        (Position.end_of(BLOCKS + 1), None),
        (START, None),
        (Position(10**18, 10**7), None),
        (Position.end_of(10**18), None),
    ],
)
async def test_what_stands_at_a_position(reader, place, fingerprint):
    landmarks = await reader.landmarks(place)
    assert landmarks.found == Found(place, fingerprint)
    assert (landmarks.oldest, landmarks.tip) == (1, BLOCKS)
    assert landmarks.tip_hash == app_hash_of(BLOCKS)
    assert landmarks.chain


async def test_where_a_transaction_stands(reader):
    for event in EVENTS[:5]:
        found = (await reader.landmarks(event.transaction_id)).found
        assert found == Found(Position(event.height, event.index), event.transaction_id)
    for unknown in ("0" * 64, "", "\ud800", "x" * 1000):
        assert (await reader.landmarks(unknown)).found is None
    assert (await reader.landmarks(None)).found is None


async def test_where_a_transaction_was_refused(tmp_path):
    document = transfer(create(BOB), BOB)
    with CommitLog.open(tmp_path) as log:
        engine = new_engine(store=log)
        engine.block(encode(document))
        engine.block(b"nonsense", encode(document))
        reader = open_reader(log)
        found = (await reader.landmarks(document["id"])).found
        assert found == Found(Position(2, 1), document["id"], committed=False)
        await reader.aclose()


async def test_what_transactions_hold(reader):
    places = [Position(e.height, e.index) for e in EVENTS]
    documents = [d for h in range(1, BLOCKS + 1) for d in accepted_of(h)]

    found = await reader.contents([*places, REFUSED], max_bytes=MEGABYTE)

    assert list(found) == [place.key for place in places]
    for document, (keys, raw) in zip(documents, found.values(), strict=True):
        assert raw == encode(document)
        named = [each["owners_before"] for each in document["inputs"]]
        named += [each["public_keys"] for each in document["outputs"]]
        assert keys == {key for some in named for key in some}


async def test_of_large_contents_a_part_is_read(reader):
    places = [Position(e.height, e.index) for e in EVENTS]
    size = sum(len(raw) for raw in txs_of(1) if raw != b"nonsense")

    found = await reader.contents(places, max_bytes=size)

    assert 0 < len(found) < len(places)
    assert list(found) == [place.key for place in places][: len(found)]


# Look-ups


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


async def test_a_block_is_its_accepted_transactions(reader):
    raws = [encode(document) for document in accepted_of(2)]
    page = await reader.block(2)
    assert (page.raws, page.next) == (raws, None)
    for empty in (5, 0):
        assert (await reader.block(empty)).raws == []
    for above in (BLOCKS + 1, 2**64):
        assert await reader.block(above) is None


async def test_a_block_is_read_in_pages(reader, monkeypatch):
    raws = [encode(document) for document in accepted_of(2)]
    assert len(raws) > 1
    monkeypatch.setattr(lookups, "PAGE_TRANSACTIONS", 1)
    read, after = [], BEGINNING
    while after is not None:
        page = await reader.block(2, after=after)
        read += page.raws
        after = page.next
    assert read == raws


async def test_heights_before_the_first_block_are_empty(young):
    log, reader = young
    engine = new_engine(store=log)
    assert (await reader.block(0)).raws == []
    engine.init_chain(initial_height=10)
    engine.block()
    assert (await reader.block(9)).raws == []
    assert await reader.block(11) is None


async def test_the_outcome_of_an_id_is_what_became_of_it_in_a_block(young):
    log, reader = young
    asset = create(ALICE)
    moved = transfer(asset, ALICE)
    engine = new_engine(store=log)

    engine.block(encode(moved))
    engine.block(b"no", encode(moved))
    refused = await reader.outcome(moved["id"])
    assert (refused.height, refused.index) == (2, 1)
    assert refused.error == "InputDoesNotExist"
    assert refused.tx_sha256 == hashlib.sha256(encode(moved)).digest()

    engine.block(encode(asset), encode(moved), encode(moved))
    # That it came again, and was refused, does not undo it.
    committed = await reader.outcome(moved["id"])
    assert committed == CommitEvent(
        3, 1, asset["id"], moved["id"], refused.tx_sha256, "TRANSFER"
    )
    for unknown in ("", "0" * 64, "\ud800"):
        assert await reader.outcome(unknown) is None


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


async def test_what_is_too_dear_to_judge_is_refused(reader):
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


# Threads


async def test_the_sets_do_not_wait_for_each_other(log):
    """Replay and look-ups stand still; the channel reads on."""
    stuck = trio.Event()

    limiters = []

    async def run_sync(function, *, limiter):
        limiters.append(limiter)
        async with limiter:
            if limiter is not limiters[0]:
                await stuck.wait()
            return function()

    slow = open_reader(log, run_sync=run_sync)
    await slow.tip()
    replay = partial(page_after, slow, START)
    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(replay)
            nursery.start_soon(slow.block, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert (await slow.tip()).height == BLOCKS
        stuck.set()
    await slow.aclose()


async def test_a_pause_waits_for_reads_and_holds_up_new_ones(log):
    under_way = trio.Event()

    limiters = []

    async def run_sync(function, *, limiter):
        limiters.append(limiter)
        async with limiter:
            if limiter is limiters[0] and len(limiters) > 1:
                await under_way.wait()
            return function()

    slow = open_reader(log, run_sync=run_sync)
    await page_after(slow, START)
    order = []

    async def replay():
        await page_after(slow, START)
        order.append("replay")

    async def pause():
        async with slow.paused():
            order.append("paused")
            await trio.testing.wait_all_tasks_blocked()
            order.append("over")

    async def ask():
        await slow.tip()
        order.append("tip")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replay)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(pause)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(replay)
        # What is quick goes on until the slow ones are done.
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert order == ["tip"]
        under_way.set()
    assert order == ["tip", "replay", "paused", "over", "replay"]
    await slow.aclose()


async def test_a_cancelled_pause_lets_go_of_what_it_had(log):
    """Cancelled when it has the searches' and the judges' places, and waits for replay."""
    go = trio.Event()

    async def run_sync(function, *, limiter):
        async with limiter:
            await go.wait()
            return function()

    reader = open_reader(log, run_sync=run_sync)
    at_rest = reader.statistics()
    async with trio.open_nursery() as readers:
        readers.start_soon(page_after, reader, START)
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.paused().__aenter__)
            await trio.testing.wait_all_tasks_blocked()
            assert reader.statistics().searches.threads_free == 0
            nursery.cancel_scope.cancel()
        go.set()
    assert reader.statistics() == at_rest
    assert (await reader.tip()).height == BLOCKS
    await reader.aclose()


async def test_what_is_quick_has_no_thread_but_waits_for_a_place(log):
    threads = []

    async def run_sync(function, *, limiter):
        async with limiter:
            threads.append(function)
            return function()

    reader = open_reader(log, run_sync=run_sync)
    small, large = [
        encode(create(ALICE, data={"text": "x" * length})) for length in (1, 3000)
    ]
    known = EVENTS[0].transaction_id
    await reader.examine(small)
    assert await reader.transaction(known) is not None
    assert await reader.outcome(known) == EVENTS[0]
    assert await reader.heights_with(known) == [1]
    assert threads == []
    await reader.examine(large)
    assert len(threads) == 1

    async with trio.open_nursery() as nursery:
        async with reader.paused():
            nursery.start_soon(reader.examine, small)
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
    assert len(threads) == 1
    await reader.aclose()


async def test_look_ups_that_find_all_threads_busy_share_the_next_one(log):
    hops = 0
    go = trio.Event()

    async def counting(function, *, limiter):
        nonlocal hops
        async with limiter:
            hops += 1
            await go.wait()
            return function()

    reader = open_reader(log, run_sync=counting)
    async with trio.open_nursery() as nursery:
        for height in (1, 2, 3, 4, BLOCKS + 1):
            nursery.start_soon(reader.block, height)
            await trio.testing.wait_all_tasks_blocked()
        assert hops == 2
        go.set()
    assert hops == 3
    await reader.aclose()


async def test_reads_that_are_not_answered_in_time_are_reported_and_counted(
    reader, autojump_clock, caplog
):
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(reader.run, stop=stop))
        async with reader.paused():
            await trio.sleep(7)
            for _ in range(3):
                nursery.start_soon(reader.landmarks, None)
            await trio.sleep(LATE_SECONDS - 0.5)
            assert reader.statistics().lookups.reads_late == 0

            nursery.start_soon(reader.landmarks, None)
            await trio.sleep(1)
            lookups = reader.statistics().lookups
            assert (lookups.reads_waiting, lookups.reads_late) == (4, 3)
            assert lookups.oldest_wait == pytest.approx(LATE_SECONDS + 0.5)
            await trio.sleep(2 * LATE_SECONDS)
            assert reader.statistics().lookups.reads_late == 4
        await reader.landmarks(None)
        stop.set()

    assert reader.statistics().lookups == ConnectionsStatistics(
        0, 0.0, 4, LOOKUP_THREADS
    )
    assert reader.statistics().channel == ConnectionsStatistics(0, 0.0, 0, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2 and "3 reads of" in lines[0] and "look-ups" in lines[0]
