from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.memory_log import MemoryLog
from trio_stream.stream import runs
from trio_stream.stream.position import Position
from trio_stream.stream.runs import RUN_ROWS, cut

START = Position.end_of(0)


def log_of(blocks: list[tuple[int, int]]) -> MemoryLog:
    """A log whose blocks have so many events and, spread among them, refusals."""
    log = MemoryLog()
    for events, refused in blocks:
        total = events + refused
        log.commit(events, refused=[n * total // refused for n in range(refused)])
    return log


sizes = st.tuples(st.integers(0, 3), st.integers(0, 2))
large = st.tuples(st.integers(0, 1200), st.integers(0, 1200))


@settings(max_examples=50)
@given(st.lists(st.one_of(sizes, sizes, sizes, large), max_size=12))
def test_runs_joined_are_the_log(sizes):
    log = log_of(sizes)

    found = list(cut(log.blocks, after=START))

    assert [e for run in found for e in run.events] == log.events
    assert [r for run in found for r in run.refused] == [
        r for block in log.blocks for r in block.refused
    ]
    assert [b for run in found for b in run.blocks] == log.blocks
    places = [START, *(run.end for run in found)]
    assert [run.start for run in found] == places[:-1]
    assert places[-1] == Position.end_of(log.height)
    for run in found:
        assert len(run.events) + len(run.refused) <= RUN_ROWS
        places = [Position(e.height, e.index) for e in run.events]
        places += [Position(r.height, r.index) for r in run.refused]
        assert all(run.start < place <= run.end for place in places)
        assert run.times.keys() >= {place.height for place in places}
        for block in run.blocks:
            assert run.start < Position.end_of(block.height) <= run.end


def test_many_empty_blocks_are_several_runs(monkeypatch):
    monkeypatch.setattr(runs, "_RUN_BLOCKS", 3)
    log = log_of([(0, 0)] * 7)

    found = list(cut(log.blocks, after=START))

    assert [len(run.blocks) for run in found] == [3, 3, 1]


def test_a_run_knows_what_stands_at_its_end():
    log = log_of([(1, 0), (RUN_ROWS - 1, 10)])

    found = list(cut(log.blocks, after=START))

    first, *parts = found
    assert first.fingerprint == log.blocks[0].app_hash
    assert parts[0].fingerprint == parts[0].events[-1].transaction_id
    assert parts[1].fingerprint == log.blocks[1].app_hash


def test_a_run_may_end_at_a_refusal():
    log = log_of([(0, RUN_ROWS + 1)])

    first, _ = cut(log.blocks, after=START)

    assert first.fingerprint == first.refused[-1].tx_sha256.hex()
