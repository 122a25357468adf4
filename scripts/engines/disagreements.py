"""What an engine's log says if it disagrees with the application's, and what to do about it.

An engine compares heights and hashes once, when it starts, and exits if they do not match. The
lines that it writes before that name the numbers; a panic's stack comes after them, so the whole
run is read and not just its last lines. None of the cures deletes anything.
"""

from __future__ import annotations

import re

_NUMBERS = re.compile(
    r"ABCI Replay Blocks.*?appHeight=(\d+) storeHeight=(\d+) stateHeight=(\d+)"
)
# The first letter is a capital in 0.31.
_HIGHER = re.compile(
    r"[Aa]pp block height \((\d+)\) is higher than (?:the )?core \((\d+)\)"
)
# Up to 0.33 nothing else is said at the usual level; a state without a block has no hash.
_RESET = re.compile(r"AppHash after replay\. Got\s+[0-9A-Fa-f]+, expected \.")
_PRUNED = re.compile(r"too far below block store base")
_HASH = re.compile(r"does not match AppHash|wrong Block\.Header\.AppHash")
_REFUSED = re.compile(
    r"(block of chain .*?belongs to chain \S+?'|InitChain for chain .*?belongs to chain \S+?'"
    r"|block \d+ follows app hash .*?here it is \w+"
    r"|block \d+, but the next one here is \d+)"
)

_PASSED = re.compile(r"block (\d+), but the next one here is (\d+)")

_STOP = "stop the daemon (make run) and run"

_AGAIN = (
    "It keeps a copy of the log, whose transactions can be posted again (trio-stream help"
    " operating, 'When engine and log disagree')"
)


def hint(text: str, *, home: str) -> str | None:
    """What to do according to the log of one run; None if engine and log do not disagree."""
    numbers = _NUMBERS.findall(text)
    app, store, _ = map(int, numbers[-1]) if numbers else (0, 0, 0)
    if higher := _HIGHER.search(text):
        app, store = int(higher[1]), int(higher[2])
    if app and store and app > store:
        return (
            f"the engine's chain ends at block {store}, and the daemon's log at {app}: the"
            " engine's data is an older copy. If the newer data still exists, put it back into"
            f" {home}. Otherwise {_STOP} trio-stream rollback --to-height {store}. {_AGAIN}"
        )
    if (numbers and app and not store) or _RESET.search(text):
        where = f"is at block {app}" if app else "was not"
        return (
            f"the engine's data in {home} was reset, but the daemon's log {where}. If there is a"
            f" copy of the engine's data, put it back. Otherwise {_STOP} trio-stream rollback"
            f" --to-height 0; a new chain then begins. {_AGAIN}"
        )
    passed = _PASSED.search(text)
    if passed and int(passed[1]) < int(passed[2]):
        return (
            f"the daemon refused {passed[0]}: the engine's data in {home} was reset, or is an older"
            f" copy. If the newer data still exists, put it back. Otherwise {_STOP} trio-stream"
            f" rollback --to-height {int(passed[1]) - 1}. {_AGAIN}"
        )
    if refused := _REFUSED.search(text):
        return (
            f"the daemon refused to go on: {refused[0]}. Engine and log have different"
            f" histories: start {home} with the data directory that belongs to it, or restore"
            " that with trio-stream restore. The daemon's log says more"
        )
    if _PRUNED.search(text):
        return (
            "the engine has pruned blocks that the daemon's log lacks: use trio-stream restore with"
            " a newer backup, or get the blocks from an engine that still has all of them"
        )
    if _HASH.search(text):
        return (
            "engine and log are at the same block with different app hashes: they belong to"
            " different chains, the log was changed, or a replay went wrong (then the daemon's log"
            f" has warnings about what it refused). Run trio-stream check; then {_STOP} trio-stream"
            " rollback --to-height H, with the height that check names, or 0 to have the whole"
            " chain replayed. A copy of the log stays"
        )
    return None
