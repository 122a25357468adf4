"""How much an address may ask for per second."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

BURST_SECONDS: Final = 5.0
"""As much as is allowed in this time may come at once."""
MOST_ADDRESSES: Final = 20_000
"""Of more that are active at the same time, those are forgotten that asked least recently."""


class Rate:
    """At most `per_second` for each address, whatever is counted.

    An amount is allowed as long as anything is; one that is larger than what is left has to be
    waited for afterwards. So a large one is possible, and still counts in full.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        # Until when each address has used up what it may ask for.
        self._used_until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used_until)

    def wait(self, address: str, now: float) -> int:
        """Whole seconds until this address may ask for more; 0 if it may now."""
        used_until = self._used_until.get(address, now)
        return max(0, math.ceil(used_until - now - BURST_SECONDS + 1e-9))

    def count(self, address: str, amount: float, now: float) -> None:
        """Note that it asked for so much."""
        used_until = max(now, self._used_until.get(address, now))
        self._used_until[address] = used_until + amount / self._per_second
        self._used_until.move_to_end(address)
        while self._used_until and (
            len(self._used_until) > MOST_ADDRESSES or self._is_over(now)
        ):
            self._used_until.popitem(last=False)

    def _is_over(self, now: float) -> bool:
        """Is there nothing to remember of the address that asked least recently?"""
        return next(iter(self._used_until.values())) <= now
