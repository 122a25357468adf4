from __future__ import annotations

import json

import pytest

from tests.cometbft.recordings import (
    RELEASES,
    answer,
    at,
    block,
    line,
    recording,
    results,
)
from tests.jsonrpc.drop_in import index_of
from tests.log.followed.made import event, hash_at, made, transfer
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.queries import Expression
from trio_stream.cometbft.query_parser import parse
from trio_stream.jsonrpc import announced as under_test
from trio_stream.jsonrpc.announced import LARGE, Announced, announce
from trio_stream.jsonrpc.lines import NEWEST, line_of
from trio_stream.jsonrpc.subscription import Subscription
from trio_stream.stream.frames import text_frame


def announced(block: FollowedBlock, *queries: Expression) -> Announced:
    return announce(block, queries, NEWEST, index_of(queries))


@pytest.mark.parametrize("name", RELEASES)
def test_frames_are_those_that_nodes_have_sent(name: str) -> None:
    recorded = recording(name)["frames"]
    for height in {at for _, at, _ in recorded}:
        sent = [one for _, at, one in recorded if at == height]
        raw_results = answer(name, at("block_results", height, name))
        followed = FollowedBlock(
            block(name, height),
            results(name, height),
            answer(name, at("block", height, name)),
            raw_results,
        )
        of = line_of(raw_results)
        for one in sent:
            text, id = one["result"]["query"], one["id"].removesuffix("#event")
            query = parse(text, of.generation)
            each = announce(followed, [query], of, index_of([query]))
            head = Subscription(id, text, query, height=height, line=of).head
            made = [json.loads(head + tail) for tail in each.tails.values()]
            assert one in made, line(name)


def test_what_a_block_has_for_queries() -> None:
    tx, mine = parse("tm.event='Tx'"), parse("transfer.recipient='me'")
    nothing = parse("a.b='c'")
    found = announced(made(7, [transfer("me")], [transfer("you")]), tx, mine, nothing)
    assert found.first_tx == 3
    assert found.numbers == {tx: [3, 4], mine: [3], nothing: []}
    assert set(found.tails) == {3, 4}
    assert found.position == f"7::{hash_at(7).hex()[:8]}"
    assert found.position_after(tx, 3) == found.positions[3]
    assert found.positions[3].startswith("7:0:")
    assert (
        found.position_after(tx, 4) == found.position_after(mine, 3) == found.position
    )
    assert found.covers([tx, mine]) and not found.covers([parse("x.y='z'")])
    assert found.weight > sum(map(len, found.tails.values()))
    held = found.held_of(tx)
    assert held is not None and held.numbers == [3, 4]
    assert held.size == sum(len(found.tails[number]) for number in (3, 4))
    equal = parse("tm.event='Tx'")
    assert found.held_of(equal) is None and found.held(equal) == held


@pytest.mark.parametrize(("templates", "frames"), [(1, 2), (0, 2), (1, 1)])
def test_parts_of_frames(
    templates: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "TEMPLATES", templates)
    monkeypatch.setattr(under_test, "TEMPLATE_FRAMES", frames)
    query = parse("tm.event='Tx'")
    found = announced(made(7, [transfer("me")], [transfer("you" * 100)]), query)
    numbers = found.held(query).numbers
    for head in (b"one", b"two", b"three"):
        expected = [text_frame(head + found.tails[number]) for number in numbers]
        assert b"".join(found.parts(numbers, head)) == b"".join(expected)
    assert len(found.templates) == (templates if frames == 2 else 0)
    found.shared[b"some"] = b"thing"
    found.stop_sharing()
    assert not found.templates and not found.shared


def test_not_all_that_matched_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "SEEN", 1)
    tx, mine = parse("tm.event='Tx'"), parse("transfer.recipient='a'")
    found = announced(made(7, *([transfer(each)] for each in "abab")), tx, mine)
    assert found.numbers == {tx: [3, 4, 5, 6], mine: [3, 5]}


def test_others_queries_in_the_index_are_left_out() -> None:
    tx, other = parse("tm.event='Tx'"), parse("tm.event='NewBlock'")
    found = announce(made(7, []), [tx], NEWEST, index_of([tx, other]))
    assert set(found.tails) == {3}


def test_large_frames_are_the_same_text() -> None:
    events = [event("big", f"n={number}") for number in range(LARGE + 1)]
    query = parse("big.n EXISTS")
    found = announced(made(7, events, ended=events[:3]), query)
    assert found.numbers[query] == [0, 2, 3]
    for number, path in ((0, "result_finalize_block"), (3, "TxResult")):
        frame = json.loads(b"{" + found.tails[number][:-1])
        assert path in frame["data"]["value"]
