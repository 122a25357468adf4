"""Asks the guard about each request of the HTTP server, before it is answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from trio_stream.access.guard import Guard, Incoming, Refusal
from trio_stream.http.answers import HttpAnswer, error
from trio_stream.net.seldom import Seldom

logger = logging.getLogger(__name__)

_SHOWN: Final = 100


class Permits:
    """Judges the requests of all connections."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._refusals = Seldom(logger, at_most=60)

    def judge(
        self, peer: str, method: str, path: str, fields: Mapping[bytes, bytes]
    ) -> HttpAnswer | None:
        """The answer to a request that is refused. `path` is decoded."""
        refusal, _ = self._guard.judge(Incoming(method, path, peer, fields))
        if refusal is None:
            return None
        self._refusals.log(
            logging.INFO,
            "%s: %s %r refused with status %d",
            peer,
            method,
            path[:_SHOWN],
            refusal.status,
        )
        return answer_of(refusal)

    def count_body(self, peer: str, fields: Mapping[bytes, bytes], size: int) -> None:
        """Count bytes of a posted body whose length the head did not say."""
        self._guard.count_body(peer, fields, size)


class PeerPermits:
    """Judges the requests of one connection."""

    def __init__(self, permits: Permits, peer: str) -> None:
        self._permits = permits
        self._peer = peer

    def judge(
        self, method: str, path: str, fields: Mapping[bytes, bytes]
    ) -> HttpAnswer | None:
        """As `Permits.judge`."""
        return self._permits.judge(self._peer, method, path, fields)

    def count_body(self, fields: Mapping[bytes, bytes], size: int) -> None:
        """As `Permits.count_body`."""
        self._permits.count_body(self._peer, fields, size)


def answer_of(refusal: Refusal) -> HttpAnswer:
    """A refusal as an answer of the API."""
    said = error(refusal.status, refusal.message)
    return said._replace(others=tuple(refusal.headers))
