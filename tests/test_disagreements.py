"""The advice that a person gets if engine and log disagree."""

from __future__ import annotations

import pytest

from scripts.engines.disagreements import hint

REPLAY = (
    "I[2026-11-27|21:22:41.123] ABCI Replay Blocks                           "
    "module=consensus appHeight={} storeHeight={} stateHeight={}\n"
)
STACK = "goroutine 1 [running]:\n" * 100


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            REPLAY.format(7, 0, 0)
            + "panic: state.AppHash does not match AppHash after replay. Got 6162\n"
            + STACK,
            "was reset, but the daemon's log is at block 7",
        ),
        (
            REPLAY.format(7, 0, 0) + "panic: runtime error: nil pointer dereference\n",
            "was reset, but the daemon's log is at block 7",
        ),
        (
            "panic: state.AppHash does not match AppHash after replay. Got\n\t6132, expected .\n",
            "was reset, but the daemon's log was not",
        ),
        (
            "App block height (9) is higher than core (6)\n",
            "ends at block 6, and the daemon's log at 9",
        ),
        (
            "block 5, but the next one here is 8: the engine's data",
            "was reset, or is an older copy. If the newer data still exists, put it back",
        ),
        (
            "block 9, but the next one here is 8: the engine",
            "block 9, but the next one here is 8. Engine and log have different",
        ),
        (
            REPLAY.format(9, 6, 6)
            + "ERROR: failed to create node: error during handshake: error on replay: "
            "app block height (9) is higher than core (6)\n",
            "ends at block 6, and the daemon's log at 9",
        ),
        (
            REPLAY.format(6, 6, 6)
            + "panic: state.AppHash does not match AppHash after replay.\n",
            "at the same block with different app hashes",
        ),
        (
            REPLAY.format(3, 6, 6)
            + "error on replay: block 4 follows app hash ab12, but here it is cd34: a block\n",
            "refused to go on: block 4 follows app hash ab12, but here it is cd34",
        ),
        (
            "error on replay: block of chain 'a', but this data directory belongs to chain 'b'",
            "have different histories",
        ),
        (
            "block 1, but the next one here is 8: the engine's data",
            "block 1, but the next one here is 8",
        ),
        (
            REPLAY.format(3, 900, 900)
            + "app block height 3 is too far below block store base 700\n",
            "pruned",
        ),
    ],
)
def test_each_disagreement_has_its_cure(said: str, advice: str) -> None:
    cure = hint(said, home="/srv/engine")
    assert cure is not None
    assert advice in cure
    assert "trio-stream rollback --to-height" in cure or "trio-stream restore" in cure
    # No advice of ours destroys anything, or has anything destroyed without a copy.
    assert not {"remove", "delete", "--no-copy"} & set(cure.split())
    assert "rollback" not in cure or "copy of the log" in cure


@pytest.mark.parametrize(
    "said",
    ["", REPLAY.format(3, 6, 6), REPLAY.format(0, 0, 0) + "listen: address in use"],
)
def test_other_exits_are_not_disagreements(said: str) -> None:
    assert hint(said, home="/srv/engine") is None
