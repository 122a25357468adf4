"""The newest result of the mempool's checks for each transaction, by its id.

BigchainDB's users have no way to learn that a transaction was refused after it had been taken, or
that it is still waiting. The newest checks are remembered here, up to a limit and only in memory:
this is what one node happens to know, and never enters the state.

One thread writes; others may ask at any time, without a lock: each step here is one operation on a
dictionary.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final, NamedTuple

from trio_stream.transactions.candidate import Candidate

RECENT_CHECKS: Final = 20_000
"""Four times what an engine's mempool holds by default; at most 700 bytes each."""


class RefusedCheck(NamedTuple):
    """Why a check refused."""

    error: str
    reason: str


class Check(NamedTuple):
    """The newest check of an id."""

    height: int
    """The tip that it was checked against."""
    refused: RefusedCheck | None
    is_own: bool
    """Whether the bytes really are the transaction with this id, and do not just claim to be."""


class RecentChecks:
    """The newest check of each id, for a limited number of ids."""

    def __init__(self, limit: int = RECENT_CHECKS) -> None:
        self._limit = limit
        self._checks: OrderedDict[str, Check] = OrderedDict()
        self.refused: Counter[str] = Counter()
        """How many checks have refused, by error."""

    def note(
        self, candidate: Candidate, height: int, refused: RefusedCheck | None
    ) -> None:
        """Remember a check, if the id that it is about is known."""
        if refused is not None:
            self.refused[refused.error] += 1
        transaction_id = candidate.transaction_id
        if transaction_id is None:
            return
        is_own = candidate.transaction is not None
        known = self._checks.get(transaction_id)
        # Nonsense that is sent under the id of a real transaction must not hide its result.
        if known is not None and known.is_own and not is_own:
            return
        self._checks[transaction_id] = Check(height, refused, is_own)
        self._checks.move_to_end(transaction_id)
        if len(self._checks) > self._limit:
            self._checks.popitem(last=False)

    def newest(self, transaction_id: str) -> Check | None:
        """The newest check of this id, if it is remembered."""
        return self._checks.get(transaction_id)
