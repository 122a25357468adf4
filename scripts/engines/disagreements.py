"""What an engine's log says when it cannot go on with the application's, and what to do then.

An engine compares heights and hashes once, at its start, and ends where they do not fit. The lines
that it writes before name the numbers; a panic's stack comes after them, so the whole run is read
and not its last lines. No cure here deletes anything.
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
    "its transactions are kept in the log.db that was moved, and can be posted again (README,"
    " 'When engine and log disagree')"
)


def hint(text: str, *, home: str) -> str | None:
    """What the log of one run says of engine and application; None: they are not at odds."""
    numbers = _NUMBERS.findall(text)
    app, store, _ = map(int, numbers[-1]) if numbers else (0, 0, 0)
    if higher := _HIGHER.search(text):
        app, store = int(higher[1]), int(higher[2])
    if app and store and app > store:
        return (
            f"the engine's chain ends at block {store}, the daemon's log at {app}: the engine's"
            f" data is an older copy. Put the newer data back into {home} if it is still there."
            " Else move (do not delete) the daemon's data directory away: the engine's chain is"
            f" replayed into a new one. What stood in blocks above {store} is then missing;"
            f" {_AGAIN}"
        )
    if numbers and app and not store:
        return (
            f"the engine's data in {home} was reset, and the daemon's log is at block {app}. Put"
            " the engine's data back if there is a copy. Else move (do not delete) the daemon's"
            f" data directory away: a new chain begins; {_AGAIN}"
        )
    if refused := _REFUSED.search(text):
        return (
            f"the daemon refused to go on: {refused[0]}. Engine and log are of different"
            f" histories: start each with its own partner of {home}, or move (do not delete) the"
            " daemon's data directory away to have this chain replayed into a new one"
        )
    if _PRUNED.search(text):
        return (
            "the engine has pruned blocks that the daemon's log lacks: put a newer copy of the"
            " daemon's data directory back, or take the blocks from an engine that has them all"
        )
    if _HASH.search(text):
        return (
            "engine and log stand at the same block with different app hashes: they are of"
            " different chains, or a replay went wrong (the daemon's log then warns of what it"
            " refused). Move (do not delete) the daemon's data directory away: this chain is"
            " replayed into a new one"
        )
    return None
