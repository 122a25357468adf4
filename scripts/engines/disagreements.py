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
_HIGHER = re.compile(
    r"app block height \((\d+)\) is higher than (?:the )?core \((\d+)\)"
)
_PRUNED = re.compile(r"too far below block store base")
_HASH = re.compile(r"does not match AppHash|wrong Block\.Header\.AppHash")
_REFUSED = re.compile(
    r"(block of chain .*?belongs to chain \S+?'|InitChain for chain .*?belongs to chain \S+?'"
    r"|block \d+ follows app hash .*?here it is \w+"
    r"|block \d+, but the next one here is \d+)"
)

_AGAIN = (
    "its transactions are kept in the log.db that was moved, and can be posted again (see"
    " 'When engine and log disagree' in the manual, trio_stream/manual/operating.md)"
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
            f" engine's data is an older copy. If the newer data still exists, put it back into"
            f" {home}. Otherwise move (do not delete) the daemon's data directory away: the"
            " engine's chain is then replayed into a new one. The blocks above"
            f" {store} are missing then; {_AGAIN}"
        )
    if numbers and app and not store:
        return (
            f"the engine's data in {home} was reset, but the daemon's log is at block {app}. If"
            " there is a copy of the engine's data, put it back. Otherwise move (do not delete)"
            f" the daemon's data directory away: a new chain then begins; {_AGAIN}"
        )
    if refused := _REFUSED.search(text):
        return (
            f"the daemon refused to go on: {refused[0]}. Engine and log have different"
            f" histories: start {home} with the data directory that belongs to it, or move (do not"
            " delete) the daemon's data directory away to have this chain replayed into a new one"
        )
    if _PRUNED.search(text):
        return (
            "the engine has pruned blocks that the daemon's log lacks: restore a newer copy of the"
            " daemon's data directory, or get the blocks from an engine that still has all of them"
        )
    if _HASH.search(text):
        return (
            "engine and log are at the same block with different app hashes: they belong to"
            " different chains, or a replay went wrong (then the daemon's log has warnings about"
            " what it refused). Move (do not delete) the daemon's data directory away: this chain"
            " is then replayed into a new one"
        )
    return None
