from __future__ import annotations

import json

import pytest
from wsproto.frame_protocol import FrameProtocol

from tests.jsonrpc.drop_in import index_of
from tests.log.followed.made import event, made, transfer
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.queries import Generation
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc import subscriptions as under_test
from trio_stream.jsonrpc.announced import Announced, announce
from trio_stream.jsonrpc.answers import Cancelled, Failure, Id
from trio_stream.jsonrpc.lines import NEWEST, Line
from trio_stream.jsonrpc.subscription import Subscription, key_of
from trio_stream.jsonrpc.subscriptions import (
    CHUNK_BYTES,
    IN_PLACE_BYTES,
    MOST,
    Chunk,
    Subscriptions,
)

OLD = Line(Generation.UP_TO_0_37, is_early=True)
TX = "tm.event='Tx'"


def add(
    to: Subscriptions,
    text: str,
    id: Id = 1,
    *,
    height: int = 7,
    line: Line = NEWEST,
    skipped: int | None = None,
    has_positions: bool = False,
) -> Subscription:
    query = parse(text, line.generation)
    key = key_of(text, query, line)
    to.check_new(key)
    subscription = Subscription(
        id,
        text,
        query,
        height=height,
        line=line,
        skipped=skipped,
        has_positions=has_positions,
    )
    to.add(key, subscription)
    return subscription


def announced(block: FollowedBlock, subscriptions: Subscriptions) -> Announced:
    queries = [each.query for each in subscriptions]
    return announce(block, queries, NEWEST, index_of(queries))


def told(data: bytes) -> list[tuple[Id, str, int]]:
    """The frames: id, kind, and the transaction's index."""
    protocol = FrameProtocol(client=True, extensions=[])
    protocol.receive_bytes(data)
    found = []
    for each in protocol.received_frames():
        assert each.message_finished
        message = json.loads(str(each.payload))
        kind = message["result"]["data"]["type"].rpartition("/")[2]
        value = message["result"]["data"]["value"]
        found.append((message["id"], kind, value.get("TxResult", {}).get("index", 0)))
    return found


def test_the_same_query_is_subscribed_to_once() -> None:
    these = Subscriptions()
    add(these, TX)
    with pytest.raises(Failure, match="already subscribed"):
        add(these, "tm.event  =  'Tx'")
    # Up to 0.37 blanks count.
    older = Subscriptions()
    for text in (TX, "tm.event  =  'Tx'"):
        add(older, text, line=OLD)
    assert len(older) == 2
    with pytest.raises(Failure, match="already subscribed"):
        add(older, TX, line=OLD)


def test_there_is_room_for_many() -> None:
    these = Subscriptions()
    for number in range(MOST):
        add(these, f"a.b={number}")
    with pytest.raises(Failure, match="max_subscriptions_per_client 1000 reached"):
        add(these, "a.c=1")


def test_removing() -> None:
    these = Subscriptions()
    with pytest.raises(Failure, match="subscription not found"):
        these.clear()
    query = add(these, TX).query
    key = key_of(TX, query, NEWEST)
    before = these.profile
    assert these.remove([key]).query == query
    assert these.profile == () != before
    with pytest.raises(Failure, match="subscription not found"):
        these.remove([key])
    add(these, TX)
    assert len(these.clear()) == 1 and not len(these) and these.lowest is None


def test_each_height_has_its_turn() -> None:
    these = Subscriptions()
    assert these.due(99) is None
    for number, height in enumerate((3, 9, 9, 5)):
        add(these, f"a.b={number}", height=height)
    assert these.lowest == 3
    assert [these.due(8) for _ in range(3)] == [3, 5, 3]
    assert [these.due(9) for _ in range(4)] == [5, 9, 3, 5]
    assert these.due(2) is None
    assert len(these.queries_at(9)) == 2


def test_frames_of_a_block() -> None:
    these = Subscriptions()
    first, second = add(these, TX, 1), add(these, "transfer.recipient='b'", 2)
    behind = add(these, "tm.event='NewBlock'", 3, height=6)
    block = made(7, [transfer("a")], [transfer("b")])
    chunk = these.take(announced(block, these))
    assert told(chunk.data) == [(1, "Tx", 0), (1, "Tx", 1), (2, "Tx", 1)]
    assert chunk.frames == 3
    assert [each.height for each in (first, second, behind)] == [8, 8, 6]


def test_resuming_within_a_block() -> None:
    these = Subscriptions()
    add(these, TX, skipped=0, has_positions=True)
    block = made(7, *[[transfer("a")]] * 3)
    chunk = these.take(announced(block, these))
    assert told(chunk.data) == [(1, "Tx", 1), (1, "Tx", 2)]
    assert chunk.data.count(b'"position":"7:1:') == 1
    assert chunk.data.count(b'"position":"7::') == 1


def test_what_is_much_comes_in_chunks() -> None:
    these = Subscriptions()
    add(these, TX)
    add(these, "transfer.recipient EXISTS", 2)
    block = made(7, *[[transfer("a" * 5000)]] * 20)
    chunks: list[Chunk] = []
    while these.lowest == 7:
        chunks.append(these.take(announced(block, these)))
    assert all(0 < len(each.data) <= CHUNK_BYTES for each in chunks)
    assert [frame for each in chunks for frame in told(each.data)] == [
        (id, "Tx", index) for id in (1, 2) for index in range(20)
    ]


def test_what_is_large_comes_by_itself() -> None:
    these = Subscriptions()
    subscription = add(these, TX)
    block = made(7, [transfer("a")], [event("t", "k=" + "v" * 70_000)], [])
    found = announced(block, these)
    assert told(these.take(found).data) == [(1, "Tx", 0)]
    chunk = these.take(found)
    assert chunk.data == b"" and chunk.large is not None
    assert these.take(found).large == chunk.large
    large = chunk.large
    assert told(large.start + found.tails[large.number]) == [(1, "Tx", 1)]
    subscription.number = large.number + 1
    assert told(these.take(found).data) == [(1, "Tx", 2)]
    assert subscription.height == 8


def test_what_several_want_is_made_once() -> None:
    one, other = Subscriptions(), Subscriptions()
    for each in (one, other):
        add(each, TX)
        add(each, "tm.event='NewBlock'", 2)
    found = announced(made(7, []), one)
    chunk = one.take(found, is_shared=True)
    assert other.take(found, is_shared=True) is chunk
    assert chunk.frames == 2 and one.lowest == other.lowest == 8
    # Who is in the middle of the block, or gets positions, is served by itself.
    for skipped, has_positions in ((0, False), (None, True)):
        single = Subscriptions()
        add(single, TX, skipped=skipped, has_positions=has_positions)
        assert single.take(found, is_shared=True) is not chunk
    assert len(found.shared) == 1


def test_too_much_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    these = Subscriptions()
    add(these, TX)
    found = announced(made(7, []), these)
    monkeypatch.setattr(under_test, "SHARED_BYTES", 100)
    assert these.take(found, is_shared=True).frames == 1
    assert not found.shared
    monkeypatch.setattr(under_test, "SHARED", 0)
    again = Subscriptions()
    add(again, TX)
    assert again.take(found, is_shared=True).frames == 1


def test_cancelling() -> None:
    these = Subscriptions()
    add(these, TX, 1)
    add(these, "a.b=1", 2, height=8)
    data = these.cancel(7, Cancelled("why", "9"))
    assert b'"id":1,' in data and b'"id":2,' not in data
    assert [each.height for each in these] == [8]


def whole(these: Subscriptions, found: Announced, *, is_shared: bool = False) -> Chunk:
    chunk = these.whole(found, is_shared=is_shared)
    assert chunk is not None
    return chunk


def test_all_of_a_block_at_once() -> None:
    these = Subscriptions()
    add(these, TX, 1)
    add(these, "transfer.recipient='b'", 2, has_positions=True)
    add(these, "a.b=1", 3, height=8)
    add(these, "a.c=1", 4)
    found = announced(made(7, [transfer("a")], [transfer("b")]), these)
    chunk = whole(these, found)
    assert told(chunk.data) == [(1, "Tx", 0), (1, "Tx", 1), (2, "Tx", 1)]
    assert chunk.frames == 3 and chunk.data.count(b'"position":"7::') == 1
    assert [each.height for each in these] == [7, 7, 8, 7]
    # What others want is not the same bytes.
    assert whole(these, found, is_shared=True) == chunk and not found.shared
    these.passed(found)
    assert [each.height for each in these] == [8] * 4


def test_not_at_once() -> None:
    these = Subscriptions()
    one = add(these, TX)
    found = announced(made(7, [transfer("a")], [transfer("b")]), these)
    for behind in ({"height": 6}, {"skipped": 0}, {"number": 4}):
        before = {name: getattr(one, name) for name in behind}
        for name, value in behind.items():
            setattr(one, name, value)
        assert these.whole(found) is None
        for name, value in before.items():
            setattr(one, name, value)
    assert these.whole(found) is not None
    # It may have been asked, but whether it was takes long to find out.
    one.query = parse(TX)
    assert found.covers([one.query]) and these.whole(found) is None
    assert told(these.take(found).data) == [(1, "Tx", 0), (1, "Tx", 1)]


@pytest.mark.parametrize("is_shared", [False, True])
def test_too_much_at_once(is_shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    these = Subscriptions()
    add(these, TX)
    found = announced(made(7, [transfer("a" * IN_PLACE_BYTES)]), these)
    # What is shared is made only once.
    assert (these.whole(found, is_shared=is_shared) is not None) is is_shared
    monkeypatch.setattr(under_test, "SHARED_BYTES", 100)
    found.shared.clear()
    assert these.whole(found, is_shared=is_shared) is None


def test_what_was_sent_of_it_is_not_sent_again() -> None:
    block = made(7, *[[transfer("a")]] * 3)
    for sent in range(1, 3 * 1200, 7):
        these = Subscriptions()
        add(these, "tm.event='NewBlockHeader'", 1)
        add(these, TX, 2, has_positions=True)
        add(these, "transfer.recipient='a'", 3)
        found = announced(block, these)
        data = whole(these, found).data
        assert sent < len(data)
        frames, end = these.passed_up_to(found, sent)
        assert len(told(data[:end])) == frames
        rest = b""
        while these.lowest == 7:
            rest += these.take(found).data
        assert sent <= end and data[:end] + rest == data
    assert these.passed_up_to(found, sent) == (0, 0)
