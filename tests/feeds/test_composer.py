"""What is sent live is what is read from the log later, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.feeds.test_runs import BLOCKS, END
from tests.log.followed.made import CHAIN
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.query_parser import parse
from trio_stream.feeds import composer
from trio_stream.feeds.composer import FeedComposer
from trio_stream.feeds.matching import Chosen, FeedIndex, Matched
from trio_stream.feeds.runs import cut
from trio_stream.feeds.selection import Feed, FeedSelection
from trio_stream.log.followed.replay import read_frames
from trio_stream.log.followed.writer import FollowedLog
from trio_stream.stream.page_request import PageRequest
from trio_stream.stream.selection import Form

(RUN,) = cut(BLOCKS, after=END(4))


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("feed", Feed)
def test_live_messages_are_those_of_the_log(
    tmp_path: Path, feed: Feed, form: Form
) -> None:
    texts = ["tm.event EXISTS", "transfer.recipient = 'me'", "NOT mint EXISTS"]
    selections = [FeedSelection(feed, form, parse(text)) for text in texts]
    index, found = FeedIndex(), Matched()
    for each in selections:
        index.add(each)
    for _ in index.match(RUN, found):
        pass
    live = FeedComposer(RUN)
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        for block in BLOCKS:
            if isinstance(block, FollowedBlock):
                log.append(block)
            else:
                log.gap(block)
        for each in selections:
            chosen = found[each] or []
            for _ in live.prepare(each, chosen):
                pass
            frames = live.frames(each, chosen)
            assert FeedComposer(RUN).frames(each, chosen).data == frames.data
            assert not list(live.prepare(each, chosen))
            request = PageRequest(each, END(4), END(10), 1 << 20, 1000)
            page = read_frames(log.connection, request)
            assert frames.data == page.data
            assert (frames.ends, frames.keys) == (page.ends, page.keys)
            assert (frames.start, frames.end) == (page.start, page.end)


@pytest.mark.parametrize(
    ("name", "most", "rows"),
    [
        ("LONG_EVENTS", 1, [2]),
        ("LONG_BYTES", 1, [0, 5]),
        ("LONG_ATTRIBUTES", 1, [0, 5]),
        ("LONG_TEXT", 7, [0, 5]),
    ],
)
def test_what_is_long_is_left_to_a_thread(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int, rows: list[int]
) -> None:
    monkeypatch.setattr(composer, name, most)
    live = FeedComposer(RUN)
    long = [n for n in (0, 2, 4, 5) if live.is_long(FeedSelection(), [Chosen(n)])]
    assert long == rows
