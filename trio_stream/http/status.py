"""What became of a transaction, as far as one node knows: beyond what BigchainDB could tell.

A block's word is the same on every node and lasts. What the mempool's checks said is this node's
own, and counts where no block has said anything since.
"""

from __future__ import annotations

from typing import TypeGuard

from trio_stream.ledger.recent_checks import Check
from trio_stream.stream.events import CommitEvent, Outcome, RefusalEvent
from trio_stream.stream.position import position_text


def status(outcome: Outcome | None, check: Check | None) -> dict[str, object]:
    """The status, from what blocks made of it and the newest check."""
    match outcome:
        case CommitEvent():
            return {"status": "committed", **_position(outcome)}
        # Whoever was refused may be sent again, and wait again.
        case RefusalEvent() if not _is_pending(check) or check.height < outcome.height:
            return {
                "status": "refused",
                "by": "block",
                **_position(outcome),
                "error": outcome.error,
                "reason": outcome.reason,
            }
    if check is None:
        return {"status": "unknown"}
    if check.refused is None:
        return {"status": "pending"}
    return {"status": "refused", "by": "check", **check.refused._asdict()}


def _is_pending(check: Check | None) -> TypeGuard[Check]:
    return check is not None and check.refused is None


def _position(outcome: Outcome) -> dict[str, object]:
    height, index = outcome.height, outcome.index
    position = position_text(height, index, outcome.transaction_id)
    return {"position": position, "height": height, "index": index}
