"""Pages of a followed chain: in order, all that is selected, and no unit in two parts."""

from __future__ import annotations

import json

import pytest

from tests.log.followed.made import CHAIN, event, made, transfer, tx_of
from trio_stream.cometbft.followed import Gap
from trio_stream.cometbft.queries import EVERYTHING, OneEvent
from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.log.followed import replay
from trio_stream.log.followed.index import FLAGGED, NOTHING
from trio_stream.log.followed.keep import Keep
from trio_stream.log.followed.replay import (
    read_frame_pages,
    read_frames,
)
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.frames import texts_in
from trio_stream.stream.page_request import BelowOldest, PageRequest
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form

END = Position.end_of
START, FAR = END(4), END(1 << 30)
MEGABYTE = 1 << 20


def fill(log):
    """Blocks 5 to 12 with two transactions each, a gap, and blocks 20 to 24."""
    log.begin(CHAIN)
    for height in range(5, 25):
        if height == 13:
            log.gap(Gap(13, 19, "pruned", "x"))
        if not 13 <= height < 20:
            one = [transfer("me"), transfer(f"r{height}", "9uatom")]
            log.append(
                made(
                    height,
                    one,
                    [transfer("you")],
                    ended=[event("mint", f"amount={height}"), event("burn")],
                )
            )


@pytest.fixture(scope="module", params=[FLAGGED, NOTHING], ids=["indexed", "bare"])
def full(request, tmp_path_factory):
    with FollowedLog.open(tmp_path_factory.mktemp("log"), keys=request.param) as log:
        fill(log)
        yield log.connection


def pages(db, selection, *, after=START, until=FAR, max_bytes=MEGABYTE, max_rows=1000):
    """All pages up to the end of the log."""
    found = []
    request = PageRequest(selection, after, until, max_bytes, max_rows)

    def take(page):
        found.append(page)
        return page.end > page.start

    read_frame_pages(db, request, take=take)
    return found[:-1]


def messages(some):
    return [json.loads(text) for page in some for text in texts_in(page.data)]


def brief(some):
    """Heights with what is in each message, or the first height of a gap."""
    return [
        (
            f"gap {each['gap']['first']}"
            if "gap" in each
            else (each["height"], each.get("index", "block"))
        )
        for each in messages(some)
    ]


HEIGHTS = [*range(5, 13), *range(20, 25)]


def expected(*of):
    found: list[object] = []
    for height in HEIGHTS:
        if height == 20:
            found.append("gap 13")
        found += [(height, each) for each in of]
    return found


@pytest.mark.parametrize(
    ("feed", "of"),
    [
        (Feed.TRANSACTIONS, [0, 1]),
        (Feed.BLOCKS, ["block"]),
        (Feed.EVENTS, [0, 0, 1, "block", "block"]),
    ],
)
@pytest.mark.parametrize(
    ("max_bytes", "max_rows"), [(MEGABYTE, 1000), (300, 3), (1, 1)]
)
def test_everything_comes_once_and_in_order(full, feed, of, max_bytes, max_rows):
    some = pages(full, FeedSelection(feed), max_bytes=max_bytes, max_rows=max_rows)
    assert brief(some) == expected(*of)
    assert some[-1].end == END(24)
    assert all(one.end == two.start for one, two in zip(some, some[1:], strict=False))
    for page in some:
        assert all(page.start.key < key <= page.end.key for key in page.keys)
        assert [*page.keys] == sorted(set(page.keys))
        assert not page.ends or page.ends[-1] == len(page.data)


@pytest.mark.parametrize(
    ("feed", "query", "of"),
    [
        (Feed.TRANSACTIONS, "transfer.recipient = 'you'", [1]),
        (Feed.TRANSACTIONS, "transfer.recipient='me' AND transfer.amount=9", [0]),
        (Feed.TRANSACTIONS, "mint EXISTS", []),
        (Feed.TRANSACTIONS, "NOT transfer.recipient = 'you'", [0]),
        (Feed.TRANSACTIONS, "tm.event = 'NewBlock'", []),
        (Feed.BLOCKS, "mint.amount > 0", ["block"]),
        (Feed.BLOCKS, "transfer.recipient = 'you'", []),
        (Feed.EVENTS, "transfer.recipient = 'me'", [0]),
        (Feed.EVENTS, "transfer.recipient='me' AND transfer.amount=9", []),
        (Feed.EVENTS, "mint.amount > 0 OR transfer.recipient='you'", [1, "block"]),
    ],
)
@pytest.mark.parametrize("max_rows", [1000, 2])
def test_queries_choose(full, feed, query, of, max_rows):
    some = pages(full, FeedSelection(feed, query=parse(query)), max_rows=max_rows)
    assert brief(some) == expected(*of)
    assert some[-1].end == END(24)


def test_all_conditions_in_one_event(full):
    both = parse("transfer.recipient = 'me' AND transfer.amount = 9")
    assert brief(pages(full, FeedSelection(query=OneEvent(both)))) == ["gap 13"]


def test_a_value_at_one_place(full):
    selection = FeedSelection(query=parse("transfer.recipient = 'r22'"))
    assert brief(pages(full, selection)) == ["gap 13", (22, 0)]


def test_the_events_of_a_position_are_one_unit(full):
    page = pages(full, FeedSelection(Feed.EVENTS), until=END(5))[0]
    assert [*page.keys] == [Position(5, 0).key, Position(5, 1).key, END(5).key]
    assert len([*texts_in(page.data)]) == 5


def test_details(full):
    some = messages(pages(full, FeedSelection(form=Form.FULL), until=Position(5, 1)))
    assert [each["tx"] for each in some] == [tx_of(5, 0), tx_of(5, 1)]
    assert some[0]["time"] == "2026-11-28T08:00:05.000000007Z"
    assert some[0]["position"].startswith("5:0:")


@pytest.mark.parametrize(
    ("after", "until", "of"),
    [
        (Position(5, 0), Position(6, 0), [(5, 1), (6, 0)]),
        (END(5), END(5), []),
        (END(6), END(5), []),
        (END(24), FAR, []),
        (END(12), END(18), []),
        (END(15), END(19), ["gap 13"]),
        (Position(23, 1), FAR, [(24, 0), (24, 1)]),
    ],
)
def test_parts(full, after, until, of):
    assert brief(pages(full, FeedSelection(), after=after, until=until)) == of


def test_few_bytes_are_looked_at(full, monkeypatch):
    monkeypatch.setattr(replay, "LOOKED_BYTES", 1)
    selection = FeedSelection(query=parse("NOT transfer EXISTS"))
    some = pages(full, selection)
    assert len(some) > 10
    assert brief(some) == ["gap 13"]


def test_nothing_is_there_before_the_chain_is(tmp_path):
    with FollowedLog.open(tmp_path) as log:
        assert pages(log.connection, FeedSelection(), after=END(0)) == []


def test_what_was_dropped_is_refused(tmp_path):
    with FollowedLog.open(tmp_path, keep=Keep(blocks=3)) as log:
        fill(log)
        while log.prune():
            pass
        request = PageRequest(FeedSelection(query=EVERYTHING), END(20), FAR, 1000, 10)
        with pytest.raises(BelowOldest) as raised:
            read_frames(log.connection, request)
        assert raised.value.oldest == 22
        later = request._replace(after=END(21))
        assert read_frames(log.connection, later).data
