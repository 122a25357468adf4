"""What doors know of the messages about a followed chain."""

from __future__ import annotations

import json

import pytest

from tests.log.followed.made import event, made, transfer
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.feeds.composer import FeedComposer
from trio_stream.feeds.matching import FeedIndex, Matched
from trio_stream.feeds.runs import cut
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.feeds.streams import FEEDS
from trio_stream.stream.frames import texts_in
from trio_stream.stream.position import Position
from trio_stream.stream.selection import Form
from trio_stream.stream.sse import position_of

TRAP = event("message", 'note=, "time": "x", "position": "1:2"}', "position=9:9")
BLOCKS: list[FollowedBlock | Gap] = [
    made(5, [transfer("a"), TRAP], [], ended=[TRAP, event("slash")]),
    Gap(6, 7, "pruned", ', "time": "no", "position": "1:2"'),
]


def texts(selection: FeedSelection) -> list[bytes]:
    (run,) = cut(BLOCKS, after=Position.end_of(4))
    index, found = FeedIndex(), Matched()
    index.add(selection)
    for _ in index.match(run, found):
        pass
    return list(
        texts_in(FeedComposer(run).frames(selection, found[selection] or ()).data)
    )


@pytest.mark.parametrize("feed", Feed)
def test_the_plain_form_is_inside_the_one_with_positions(feed: Feed) -> None:
    plain = FeedSelection(feed)
    rich = FEEDS.with_positions(plain)
    assert rich == FeedSelection(feed, Form.POSITION)
    assert [FEEDS.as_asked(plain, each) for each in texts(rich)] == texts(plain)
    full = FeedSelection(feed, Form.FULL)
    assert FEEDS.with_positions(full) is full
    for asked in (rich, full):
        assert [FEEDS.as_asked(asked, each) for each in texts(asked)] == texts(asked)
        assert FEEDS.finds_refused(asked)


@pytest.mark.parametrize("form", [Form.POSITION, Form.FULL])
def test_of_several_messages_with_one_position_the_last_one_says_it(form: Form) -> None:
    said = {
        feed: [*map(position_of, texts(FeedSelection(feed, form)))] for feed in Feed
    }
    hashes = [made(5, [], []).block.tx_hashes[index].lower()[:8] for index in (0, 1)]
    block = made(5).hash.hex()[:8]
    first, second = (f"5:{index}:{hashes[index]}" for index in (0, 1))
    assert said == {
        Feed.TRANSACTIONS: [first, second, "7"],
        Feed.BLOCKS: [f"5::{block}", "7"],
        Feed.EVENTS: [None, first, None, f"5::{block}", "7"],
    }


def test_streams_have_the_names_of_feeds() -> None:
    assert FEEDS.reader.names == ("transactions", "blocks", "events")
    assert FEEDS.at("/api/v1/streams/events") == "events"


def test_who_takes_it_for_a_node_is_told_what_there_is() -> None:
    said = json.loads(FEEDS.misplaced("/api/v1/streams/valid_transactions") or b"")
    assert said == {
        "error": "unknown_stream",
        "message": "this server follows a chain and has no stream 'valid_transactions';"
        " it has transactions, blocks, events",
        "status": 404,
    }
    for path in ("events", "valid_transaction", "", "valid_blocks/"):
        assert FEEDS.misplaced("/api/v1/streams/" + path) is None
    assert FEEDS.misplaced("valid_blocks") is None
