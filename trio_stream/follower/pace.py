"""How often one node is asked: a bucket of turns, which fills slower when the node is overworked.

The rate grows by a little with each good answer and is halved by each that says "too much", as
TCP does it; a `Retry-After` holds everything back for as long as it says.
"""

from __future__ import annotations

import ipaddress

import trio

PUBLIC_RATE = 5.0
"""Public nodes allow 5 to 20 requests a second, and a block takes one."""
LOCAL_RATE = 1000.0
"""More than a node serves."""
LOWEST = 0.1
"""Requests a second: a node that refuses all is still asked this often."""
GROWTH = 1 / 50
"""Of the highest rate, after each good answer: 25 good ones make up for one "too much"."""
BURST = 1.0
"""Seconds of turns that may be saved up."""
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
LONGEST_RETRY_AFTER = 600.0
"""In seconds. A node that says "tomorrow" is asked again before."""


class Pace:
    """At most `highest` requests a second."""

    def __init__(self, highest: float) -> None:
        self.highest = highest
        self.rate = highest
        self._saved = max(1.0, highest * BURST)
        self._counted = trio.current_time()
        self._not_before = 0.0
        self._troubles = 0
        self._line = trio.Lock()

    async def turn(self) -> None:
        """Wait until the node may be asked."""
        async with self._line:
            while True:
                now = trio.current_time()
                most = max(1.0, self.rate * BURST)
                earned = (now - self._counted) * self.rate
                self._saved, self._counted = min(most, self._saved + earned), now
                missing = max(0.0, 1 - self._saved) / self.rate
                wait = max(self._not_before - now, missing)
                # What floating point leaves over is no reason to wait.
                if wait < 1e-6:
                    break
                await trio.sleep(wait)
            self._saved -= 1

    @property
    def resting(self) -> float:
        """The seconds for which the node is left alone."""
        return max(0.0, self._not_before - trio.current_time())

    def well(self) -> None:
        """A good answer came."""
        self._troubles = 0
        self.rate = min(self.highest, self.rate + GROWTH * self.highest)

    def too_much(self, retry_after: float | None = None) -> None:
        """The node is overworked; it may have said for how long."""
        self.rate = max(LOWEST, self.rate / 2)
        self.trouble(retry_after)

    def trouble(self, retry_after: float | None = None) -> None:
        """The node could not be reached or understood: pauses grow until it can."""
        pause = min(FIRST_PAUSE * 2 ** min(self._troubles, 10), LONGEST_PAUSE)
        if retry_after is not None:
            pause = max(pause, min(retry_after, LONGEST_RETRY_AFTER))
        self._troubles += 1
        self._not_before = max(self._not_before, trio.current_time() + pause)


def default_rate(host: str) -> float:
    """Requests a second to a node that may be anybody's, or is on this machine."""
    try:
        is_local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    return LOCAL_RATE if is_local else PUBLIC_RATE
