"""Requests that wait until a block has decided their transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

import trio

from trio_stream.stream.events import CommittedBlock, Outcome

MAX_WATCHES: Final = 10_000
"""Each watch is a request that waits for its block at the HTTP door."""


class TooManyWatches(Exception):
    """The maximum number of requests already wait for their transactions."""


class Watch:
    """Waits until the transaction with certain bytes is in a block."""

    def __init__(self) -> None:
        self._outcome: Outcome | None = None
        self._decided = trio.Event()

    def decide(self, outcome: Outcome | None) -> None:
        """Record what a block made of it; None if there will be no more blocks.

        The first outcome counts.
        """
        if not self._decided.is_set():
            self._outcome = outcome
            self._decided.set()

    async def wait(self) -> Outcome:
        """What a block made of it. Raises `trio.EndOfChannel` if the channel ends first."""
        await self._decided.wait()
        if self._outcome is None:
            raise trio.EndOfChannel
        return self._outcome


class Watches:
    """All watches, by the SHA-256 of the bytes that they wait for."""

    def __init__(self, *, at_most: int = MAX_WATCHES) -> None:
        self._at_most = at_most
        self._count = 0
        self._by_hash: dict[bytes, set[Watch]] = {}

    def __len__(self) -> int:
        return self._count

    @contextmanager
    def watch(self, tx_sha256: bytes) -> Iterator[Watch]:
        """Watch for a transaction until the end of the block. Raises `TooManyWatches`."""
        if self._count >= self._at_most:
            raise TooManyWatches
        watch = Watch()
        self._count += 1
        self._by_hash.setdefault(tx_sha256, set()).add(watch)
        try:
            yield watch
        finally:
            self._count -= 1
            same = self._by_hash[tx_sha256]
            same.discard(watch)
            if not same:
                del self._by_hash[tx_sha256]

    def decide(self, blocks: Iterable[CommittedBlock]) -> None:
        """Tell each watch whose transaction is in one of the blocks."""
        if not self._count:
            return
        for block in blocks:
            outcomes: Iterator[Outcome] = chain(block.events, block.refused)
            for outcome in outcomes:
                for watch in self._by_hash.get(outcome.tx_sha256, ()):
                    watch.decide(outcome)

    def end(self) -> None:
        """There will be no more blocks."""
        for same in self._by_hash.values():
            for watch in same:
                watch.decide(None)
