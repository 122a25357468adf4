"""The transactions of a block, examined piece by piece, with signatures verified in parallel.

A node that catches up sees each transaction for the first time when it is in a block, so everything
is worked out then. A piece is parsed first; then its signatures are verified, in threads if there
are many, since libsodium lets go of the interpreter; then its candidates are handed out in order,
for their block to judge them. So verdicts depend on nothing but the bytes and the order.

What is new is not cached: it is committed at once, and nobody asks for it again. Its JSON is kept
until it has been judged, which saves reading it twice; that is why pieces are small.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from trio_stream.transactions.candidate import Candidate, CandidateCache
from trio_stream.transactions.costs import judging_cost

PIECE: Final = 256
"""Transactions that are examined before the first of them is judged."""
PIECE_BYTES: Final = 1 << 20
"""Bytes of them, unless one alone has more; their JSON objects take ten times as many or more."""
SHARE: Final = 16 * 60
"""Estimated microseconds of verification that a thread does at a time: handing over takes 30. The
usual signatures of a piece make as many shares as most machines can divide evenly."""
_CHEAP: Final = 60
"""Those of a transaction whose cost is not worth an estimate."""


class BlockCandidates:
    """Examines the transactions of one block after the other."""

    def __init__(self, cache: CandidateCache) -> None:
        self._cache = cache
        self._coming: Iterator[tuple[bytes, Candidate]] = iter(())

    def pieces(self, raws: Sequence[bytes]) -> Iterator[list[Candidate]]:
        """The candidates of these bytes, in order, each with its signatures verified.

        A piece is examined when it is asked for; who has judged one may clear it.
        """
        for piece in _pieces(raws):
            candidates = [self._cache.examine(raw, keep=False) for raw in piece]
            self._verify(candidates)
            yield candidates

    def prepare(self, raws: Sequence[bytes]) -> None:
        """Expect these in `take`, in this order, and nothing else. Examines nothing yet."""
        self._coming = zip(raws, self._each(raws))

    def take(self, raw: bytes) -> Candidate:
        """The candidate of these bytes, examined with others if they were expected."""
        for expected, candidate in self._coming:
            if expected is raw:
                return candidate
            self._coming = iter(())
        return self._cache.examine(raw, keep=False)

    def _each(self, raws: Sequence[bytes]) -> Iterator[Candidate]:
        for piece in self.pieces(raws):
            piece.reverse()
            # So that nothing here refers to one that was handed out.
            while piece:
                yield piece.pop()

    def _verify(self, candidates: Iterable[Candidate]) -> None:
        shares = list(_shares(candidates))
        if len(shares) > 1:
            # Their order does not matter: each signature is verified by itself.
            for _ in self._cache.in_parallel(_verify_all, shares):
                pass
        else:
            for share in shares:
                _verify_all(share)


def _pieces(raws: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start = size = 0
    for stop, raw in enumerate(raws):
        if stop > start and (stop - start == PIECE or size + len(raw) > PIECE_BYTES):
            yield raws[start:stop]
            start, size = stop, 0
        size += len(raw)
    if start < len(raws):
        yield raws[start:]


def _shares(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Those whose signatures have not been verified, about `SHARE` each time."""
    share: list[Candidate] = []
    cost = 0
    for candidate in candidates:
        if candidate.is_verified:
            continue
        share.append(candidate)
        cost += judging_cost(candidate.transaction) or _CHEAP
        if cost >= SHARE:
            yield share
            share, cost = [], 0
    if share:
        yield share


def _verify_all(candidates: Iterable[Candidate]) -> None:
    for candidate in candidates:
        candidate.verify()
