"""What selections get of a run, compared with checking each one against each transaction."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.wanted import wants
from trio_stream.abci.messages import Time
from trio_stream.stream.composer import Composer
from trio_stream.stream.events import CommitEvent, CommittedBlock, RefusalEvent
from trio_stream.stream.filters import Contents
from trio_stream.stream.frames import texts_in
from trio_stream.stream.matching import Matched, SelectionIndex
from trio_stream.stream.messages import (
    block_text,
    event_text,
    refusal_text,
    time_text,
)
from trio_stream.stream.position import Position
from trio_stream.stream.runs import Run, cut
from trio_stream.stream.selection import Filters, Form, Selection, Stream

START = Position.end_of(0)

ASSETS = [digit * 64 for digit in "abc"]
KEYS = ["A", "B", "C"]
OPERATIONS = ["CREATE", "TRANSFER"]


def subset(values: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values), max_size=2)


transactions = st.tuples(
    st.sampled_from(ASSETS), st.sampled_from(OPERATIONS), subset(KEYS)
)
of_transactions = st.builds(
    Selection,
    st.just(Stream.VALID_TRANSACTIONS),
    st.sampled_from(Form),
    st.builds(
        Filters,
        asset_id=subset(ASSETS),
        public_key=subset(KEYS),
        operation=subset(OPERATIONS),
    ),
)
of_others = st.builds(
    Selection,
    st.sampled_from([Stream.VALID_BLOCKS, Stream.REFUSED_TRANSACTIONS]),
    st.sampled_from([Form.PLAIN, Form.POSITION]),
    empty_blocks=st.booleans(),
)
selections = st.one_of(of_transactions, of_transactions, of_others)
blocks_of = st.lists(
    st.lists(st.one_of(st.none(), transactions), max_size=4), min_size=1, max_size=4
)

Rows = list[list[tuple[str, str, frozenset[str]] | None]]


def run_of(rows: Rows) -> tuple[Run, dict[int, Contents]]:
    """Blocks of these transactions, refused where there is None; and their contents."""
    blocks, contents = [], {}
    for height, row in enumerate(rows, 1):
        events, refused = [], []
        for index, transaction in enumerate(row):
            hash_ = bytes([height, index] * 16)
            if transaction is None:
                refused.append(RefusalEvent(height, index, None, hash_, "Error", "why"))
                continue
            asset_id, operation, keys = transaction
            id_ = hash_.hex()
            events.append(CommitEvent(height, index, asset_id, id_, hash_, operation))
            raw = json.dumps({"id": id_}).encode()
            contents[Position(height, index).key] = Contents(keys, raw)
        time = Time(height, 0)
        blocks.append(
            CommittedBlock(height, "ab" * 32, tuple(events), tuple(refused), time)
        )
    (run,) = cut(blocks, after=START)
    return run, contents


def wanted(
    selection: Selection, run: Run, contents: dict[int, Contents]
) -> list[bytes]:
    """The texts that a selection gets, the slow way."""
    form = selection.form
    if selection.stream is Stream.VALID_BLOCKS:
        blocks = [b for b in run.blocks if b.events or selection.empty_blocks]
        return [block_text(block, form) for block in blocks]
    times = {height: time_text(time) for height, time in run.times.items()}
    if selection.stream is Stream.REFUSED_TRANSACTIONS:
        return [refusal_text(r, form, time=times[r.height]) for r in run.refused]
    texts = []
    for event in run.events:
        keys, raw = contents[Position(event.height, event.index).key]
        if wants(selection, event.asset_id, event.operation, keys):
            time = times[event.height]
            texts.append(event_text(event, form, time=time, raw=raw))
    return texts


def index_of(selections: list[Selection]) -> SelectionIndex:
    index = SelectionIndex()
    for selection in selections:
        index.add(selection)
    return index


def match(index: SelectionIndex, run: Run, contents: dict[int, Contents]) -> Matched:
    found: Matched = {}
    for _ in index.match(run, contents, found):
        pass
    return found


@given(blocks_of, st.lists(selections, max_size=8))
def test_each_selection_gets_what_it_matches(rows, selections):
    run, everything = run_of(rows)
    index = index_of(selections)
    contents = {p.key: everything[p.key] for p in index.wanted(run)}

    found = match(index, run, contents)

    composer = Composer(run, contents)
    for selection in selections:
        frames = composer.frames(selection, found.get(selection, ()) or ())
        assert list(texts_in(frames.data)) == wanted(selection, run, everything)
        assert (frames.start, frames.end) == (run.start, run.end)
    assert None not in found.values()
    assert set(found) <= set(selections)


@given(blocks_of, st.lists(selections, max_size=8), st.data())
def test_without_contents_it_is_not_known(rows, selections, data):
    run, everything = run_of(rows)
    kept = data.draw(st.frozensets(st.sampled_from([*everything, -1])))
    contents = {key: everything[key] for key in kept if key in everything}

    found = match(index_of(selections), run, contents)

    composer = Composer(run, contents)
    for selection in selections:
        numbers = found.get(selection, ())
        if numbers is not None:
            texts = list(texts_in(composer.frames(selection, numbers).data))
            assert texts == wanted(selection, run, everything)


@given(blocks_of, st.lists(selections, min_size=1, max_size=8), st.data())
def test_a_selection_that_was_discarded_is_not_found(rows, selections, data):
    run, contents = run_of(rows)
    left = data.draw(st.sets(st.sampled_from(selections)))
    index = index_of(selections)
    for selection in left:
        index.discard(selection)

    assert not set(match(index, run, contents)) & left
    assert bool(index) == bool(set(selections) - left)
    for selection in set(selections) - left:
        index.discard(selection)
    assert not index and not match(index, run, contents)


def test_contents_are_wanted_only_if_they_decide():
    run, _ = run_of(
        [[("a" * 64, "CREATE", NOBODY), None, ("b" * 64, "TRANSFER", NOBODY)]]
    )
    first, second = Position(1, 0), Position(1, 2)
    asset = Filters(asset_id=["b" * 64])
    asset_and_key = Filters(asset_id=["b" * 64], public_key=["A"])

    for selection, places in [
        (Selection(form=Form.POSITION), []),
        (Selection(form=Form.FULL), [first, second]),
        (Selection(filters=asset), []),
        (Selection(filters=asset_and_key), [second]),
        (Selection(form=Form.FULL, filters=Filters(operation=["CREATE"])), [first]),
        (Selection(filters=Filters(public_key=["A"])), [first, second]),
        (Selection(Stream.VALID_BLOCKS), []),
    ]:
        assert index_of([selection]).wanted(run) == places


def test_contents_are_not_wanted_once_no_selection_looks_inside():
    run, _ = run_of([[("b" * 64, "TRANSFER", NOBODY)]])
    plain = Filters(asset_id=["b" * 64])
    curious = [Selection(form=Form.FULL, filters=plain) for _ in range(2)]
    curious.append(
        Selection(filters=Filters(asset_id=["b" * 64, "c" * 64], public_key=["A"]))
    )
    index = index_of([Selection(filters=plain), *curious[1:]])

    for selection in curious[1:]:
        assert index.wanted(run) == [Position(1, 0)]
        index.discard(selection)

    assert index.wanted(run) == []


def test_many_selections_are_matched_with_rests_and_newcomers_read_the_log():
    events: Rows = [[("b" * 64, "TRANSFER", NOBODY)] * 8]
    run, contents = run_of(events)
    assets = [["b" * 64, f"{number:064}"] for number in range(1_500)]
    selections = [Selection(filters=Filters(asset_id=some)) for some in assets]
    index = index_of(selections)
    newcomer, gone = Selection(filters=Filters(operation=["VOTE"])), selections[0]
    back = selections[1]

    found: Matched = {}
    rests = 0
    for _ in index.match(run, contents, found):
        if not rests:
            index.add(newcomer)
            index.discard(gone)
            index.discard(back)
            index.add(back)
        rests += 1

    assert rests >= 3
    assert found[newcomer] is None and found[back] is None
    assert all(found[each] == list(range(8)) for each in selections[2:])


NOBODY = frozenset[str]()
