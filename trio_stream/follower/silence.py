"""Tells the operator when no node answers any more, and when one does again, once each."""

from __future__ import annotations

import logging
from typing import Final

import trio

logger = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds: nodes restart, and proxies hiccup."""


class Silence:
    """Of all nodes together."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_told = False

    def goes_on(self, why: str) -> None:
        """A node did not answer."""
        now = trio.current_time()
        if self._since is None:
            self._since = now
        elif not self._is_told and now - self._since >= PATIENCE:
            self._is_told = True
            logger.warning(
                "no node has answered for %g s, and it is asked on: %s", PATIENCE, why
            )

    def ends(self) -> None:
        """A node answered."""
        if self._is_told and self._since is not None:
            seconds = trio.current_time() - self._since
            logger.warning("nodes answer again, after %.0f s", seconds)
        self._since, self._is_told = None, False
