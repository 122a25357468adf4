"""GET of a block by its height, and of a transaction by its hash: what the log has of them."""

from __future__ import annotations

import re
from typing import Final, Protocol

from trio_stream.cometbft.followed import Gap
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.log.followed.lookups import LogSummary

# The database's integers; no block is higher.
_MAX_HEIGHT: Final = 2**63 - 1
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


class Stored(Protocol):
    """What is asked of the log."""

    async def summary(self) -> LogSummary: ...

    async def block_text(self, height: int) -> bytes | Gap | None: ...

    async def transaction_text(self, digest: bytes) -> bytes | None: ...


class FollowedLookups:
    """Answers GET /api/v1/blocks/HEIGHT and /api/v1/transactions/HASH."""

    def __init__(self, log: Stored) -> None:
        self._log = log

    async def block(self, digits: str) -> HttpAnswer:
        """The block of this height; 404 says what is there instead."""
        # More digits than any height has; and Python refuses to read thousands of them.
        number = digits.lstrip("0") or "0"
        if len(number) > len(str(_MAX_HEIGHT)) or int(number) > _MAX_HEIGHT:
            return answers.NOT_FOUND
        found = await self._log.block_text(int(number))
        if isinstance(found, bytes):
            return HttpAnswer(200, found + b"\n")
        if found is not None:
            return _missing(int(number), found)
        log = await self._log.summary()
        there = (
            f"blocks {log.oldest} to {log.tip}" if log.tip >= log.oldest else "none yet"
        )
        return answers.error(404, f"Block {number} is not here: the log has {there}.")

    async def transaction(self, tx_hash: str) -> HttpAnswer:
        """The newest transaction with this hash."""
        if _HASH.fullmatch(tx_hash) is None:
            message = "A transaction's hash has 64 hexadecimal digits."
            return answers.error(400, message)
        found = await self._log.transaction_text(bytes.fromhex(tx_hash))
        if found is None:
            return answers.NOT_FOUND
        return HttpAnswer(200, found + b"\n")


def _missing(height: int, gap: Gap) -> HttpAnswer:
    said = {
        "message": f"Block {height} is missing: no node had it ({gap.reason}).",
        "status": 404,
        "gap": {
            "first": gap.first,
            "last": gap.last,
            "reason": gap.reason,
            "detail": gap.detail,
        },
    }
    return HttpAnswer(404, answers.compact(said))
