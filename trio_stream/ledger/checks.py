"""What the mempool asks: would this transaction be valid in the next block?

A check is against what is committed alone, since the engine's mempool knows no block in progress,
and it enters no state: nodes may differ in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trio_stream.abci.messages import CheckTx, Request, TxResult
from trio_stream.ledger.block import REASON_LIMIT
from trio_stream.ledger.recent_checks import RecentChecks, RefusedCheck
from trio_stream.ledger.staging import reason
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.errors import ValidationError
from trio_stream.transactions.rules import View, admit

VALID: Final = TxResult(0)

# Five inputs at most.
_QUICK_BYTES: Final = 2048


class Checks:
    """Answers CheckTx, and remembers what it answered."""

    def __init__(self, committed: View, cache: CandidateCache) -> None:
        self._committed = committed
        self._cache = cache
        self.recent = RecentChecks()
        """The newest results; may be read while requests are answered."""

    def are_quick(self, requests: Iterable[Request]) -> bool:
        """Whether each check is of a small transaction that has been examined before.

        Such a check only needs one look at an index, or three for each input.
        """
        return all(
            len(each.tx) <= _QUICK_BYTES and self._cache.has(each.tx)
            for each in requests
            if isinstance(each, CheckTx)
        )

    def check(self, tx: bytes, height: int) -> TxResult:
        """Check against what is committed, whose tip is at `height`."""
        candidate = self._cache.examine(tx)
        try:
            admit(candidate, self._committed)
        except ValidationError as error:
            refused = RefusedCheck(type(error).__name__, reason(error))
            self._cache.refuse(candidate)
            self.recent.note(candidate, height, refused)
            return refusal(*refused)
        self.recent.note(candidate, height, None)
        return VALID


def refusal(error: str, text: str) -> TxResult:
    """The result for a transaction that is refused, in a check or in a block."""
    # Code 1 for every error, as the reference; the log is not part of the results' hash.
    return TxResult(1, f"{error}: {text}"[:REASON_LIMIT])
