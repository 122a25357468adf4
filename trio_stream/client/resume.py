"""Where a client stands, and where it goes on.

A client that loses its connection asks again, here or at another server, for what comes
after the last message it has; positions are the same on every server. So what it gets is
gap-free if each server begins exactly where it was asked to, and free of repeats if
positions only go forward. Both are checked here. A server that breaks this is at fault and
its stream ends with an error, since leaving a repeat out would hide the gap that may
stand beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from trio_stream.client.verdicts import NotResumable, ServerFault
from trio_stream.stream.position import GivenPosition, Position, parse_position

# Before the second try; it doubles with each round of all servers. A restart takes about that
# long, and a fleet of clients is spread over half of it.
FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 30.0
# What a server may ask for with Retry-After.
LONGEST_RETRY_AFTER: Final = 120.0


class Progress:
    """How far the stream has come. Each step must lead forward."""

    def __init__(
        self,
        *,
        after: str | None = None,
        from_height: int | None = None,
        until: int | Literal["tip"] | None = None,
    ) -> None:
        if after is not None and from_height is not None:
            raise ValueError("after and from_height are two beginnings; give one")
        self.text: str | None = after
        self._from_height = from_height
        self._until = until
        self._given = _parse(after) if after is not None else None
        self._chain: str | None = None

    @property
    def ends(self) -> bool:
        """Is there an end, rather than a stream for ever?"""
        return self._until is not None

    @property
    def finished(self) -> bool:
        """Has the end been reached for certain?"""
        if self._given is None or not isinstance(self._until, int):
            return False
        return self._given.position >= Position.end_of(self._until)

    def parameters(self) -> list[tuple[str, str]]:
        """What to ask for, to go on from here."""
        found: list[tuple[str, str]] = []
        if self.text is not None:
            found.append(("after", self.text))
        elif self._from_height is not None:
            found.append(("from_height", str(self._from_height)))
        if self._until is not None:
            found.append(("until", str(self._until)))
        return found

    def begin(self, url: str, headers: Mapping[str, str]) -> str:
        """Take note of what a server's answer says; the position where it begins.

        Raises `NotResumable`, or `ServerFault` if that is not where it was asked to.
        """
        text = headers.get("stream-position")
        if text is None:
            raise NotResumable(url)
        given = self._read(url, text)
        oldest = headers.get("stream-oldest", "")
        if self._given is not None and not _begins_at(given, self._given, oldest):
            raise ServerFault(
                f"{url} begins at {text}, asked for what is after {self.text}"
            )
        chain = headers.get("stream-chain") or None
        if chain and self._chain and chain != self._chain:
            raise ServerFault(f"{url} is of the chain {chain}, not of {self._chain}")
        self._chain = self._chain or chain
        tip = headers.get("stream-tip", "")
        if self._until == "tip" and tip.isascii() and tip.isdigit():
            # The end stays where it was, however often the connection is lost.
            self._until = int(tip)
        self.text, self._given = text, given
        return text

    def advance(self, url: str, text: object) -> str:
        """A message came whose position is this. Raises `ServerFault`."""
        given = self._read(url, text)
        if self._given is not None and given.position <= self._given.position:
            what = "again" if given.position == self._given.position else "a step back"
            raise ServerFault(f"{url} sent {text} {what}: {self.text} had been reached")
        self.text, self._given = str(text), given
        return self.text

    def stand(self, url: str, text: object) -> str:
        """A notice says that all up to this position is done. Raises `ServerFault`."""
        given = self._read(url, text)
        if self._given is not None and given.position < self._given.position:
            raise ServerFault(f"{url} stands at {text}: {self.text} had been reached")
        self.text, self._given = str(text), given
        return self.text

    def _read(self, url: str, text: object) -> GivenPosition:
        given = _parse(text) if isinstance(text, str) else None
        if given is None:
            raise ServerFault(f"{url} sent no position, but {str(text)[:100]!r}")
        return given


def _parse(text: str) -> GivenPosition | None:
    try:
        return parse_position(text)
    except ValueError:
        return None  # "earliest", or a transaction's id


def _begins_at(given: GivenPosition, asked: GivenPosition, oldest: str) -> bool:
    """Is this where it was asked to begin?"""
    if given.position == asked.position:
        known = given.fingerprint and asked.fingerprint
        return not known or given.fingerprint == asked.fingerprint
    # What is before the first block of the chain is the beginning of the chain.
    if not oldest.isascii() or not oldest.isdigit():
        return False
    return asked.position < given.position == Position.end_of(int(oldest) - 1)


class Route:
    """Which server is asked next, and after which delay."""

    def __init__(
        self, urls: Sequence[str], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._urls = tuple(urls)
        self._jitter = jitter
        self._turn = 0
        self._failures = 0
        self._retry_after = 0.0

    @property
    def url(self) -> str:
        """The server whose turn it is."""
        return self._urls[self._turn]

    def worked(self) -> None:
        """It gave what was asked of it."""
        self._failures = 0
        self._retry_after = 0.0

    def failed(self, *, retry_after: float = 0) -> float:
        """It is the next one's turn, after so many seconds."""
        rounds = self._failures // len(self._urls)
        self._failures += 1
        self._turn = (self._turn + 1) % len(self._urls)
        self._retry_after = max(
            self._retry_after, min(retry_after, LONGEST_RETRY_AFTER)
        )
        # An exponent without a bound would become a float too large for one.
        delay = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(rounds, 20)))
        delay *= 0.5 + self._jitter() / 2
        if self._failures % len(self._urls) == 0:
            # All have been asked; what one of them wished for counts now.
            delay, self._retry_after = delay + self._retry_after, 0.0
        return delay
