"""Where a client stands, and where it goes on.

A client that loses its connection asks again, at this server or another, for what comes after its
last message; positions are the same on every server. The stream has no gaps if each server begins
exactly where it was asked to, and no repeats if positions only increase. Both are checked here. If
a server breaks either rule, the stream ends with an error: skipping a repeat could hide a gap
beside it.

Several events may share a position. Then the client asks for what comes after the last position of
which it has all events, and expects to be sent those again that it has of the next one, up to
the very last of them. They are dropped, not kept: only the place of that last one is remembered.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from trio_stream.client.messages import Part
from trio_stream.client.verdicts import NotResumable, ServerFault
from trio_stream.stream.position import (
    GivenPosition,
    Position,
    parse_position,
    position_text,
)

# Before the second attempt; it doubles with each round of all servers. A restart takes about this
# long, and half of it spreads many clients out.
FIRST_DELAY: Final = 0.2
LONGEST_DELAY: Final = 30.0
# The most that a server may ask for with Retry-After.
LONGEST_RETRY_AFTER: Final = 120.0


class Progress:
    """How far the stream has come. Each step must go forward."""

    def __init__(
        self,
        *,
        after: str | None = None,
        from_height: int | None = None,
        until: int | Literal["tip"] | None = None,
    ) -> None:
        if after is not None and from_height is not None:
            raise ValueError("give either after or from_height, not both")
        self.text: str | None = after
        self._from_height = from_height
        self._until = until
        self._given = _parse(after) if after is not None else None
        self._chain: str | None = None
        self._part: Part | None = None
        """The last event that arrived, if more of its position are to come."""
        self._is_repeating = False
        """Whether the server has yet to send that one again."""

    @property
    def ends(self) -> bool:
        """Whether the stream has an end."""
        return self._until is not None

    @property
    def finished(self) -> bool:
        """Whether the end has certainly been reached."""
        if self._given is None or not isinstance(self._until, int):
            return False
        return self._given.position >= Position.end_of(self._until)

    @property
    def is_within(self) -> bool:
        """Whether only some of a position's events have arrived."""
        return self._part is not None

    def parameters(self) -> list[tuple[str, str]]:
        """The parameters to request in order to go on from here."""
        found: list[tuple[str, str]] = []
        if self.text is not None:
            found.append(("after", self.text))
        elif self._from_height is not None:
            found.append(("from_height", str(self._from_height)))
        if self._until is not None:
            found.append(("until", str(self._until)))
        return found

    def begin(self, url: str, headers: Mapping[str, str]) -> str:
        """Note what the headers of a server's answer say; returns the position where it begins.

        Raises `NotResumable`, or `ServerFault` if it does not begin where it was asked to.
        """
        text = headers.get("stream-position")
        if text is None:
            raise NotResumable(url)
        given = self._read(url, text)
        oldest = headers.get("stream-oldest", "")
        if self._given is not None and not _begins_at(given, self._given, oldest):
            raise ServerFault(
                f"{url} begins at {text}, although it was asked to begin after {self.text}"
            )
        chain = headers.get("stream-chain") or None
        if chain and self._chain and chain != self._chain:
            raise ServerFault(f"{url} serves the chain {chain}, not {self._chain}")
        self._chain = self._chain or chain
        tip = headers.get("stream-tip", "")
        if self._until == "tip" and tip.isascii() and tip.isdigit():
            # The end is fixed now, however often the connection is lost.
            self._until = int(tip)
        self.text, self._given = text, given
        self._is_repeating = self._part is not None
        return text

    def advance(self, url: str, text: object) -> str:
        """Note the position of a message that arrived. Raises `ServerFault`."""
        given = self._read(url, text)
        self._expect_nothing_else(url, given.position)
        if self._given is not None and given.position <= self._given.position:
            what = "again" if given.position == self._given.position else "out of order"
            raise ServerFault(f"{url} sent {text} {what}, after {self.text}")
        self.text, self._given = str(text), given
        return self.text

    def take(self, url: str, part: Part, text: object) -> str | None:
        """Note an event that arrived; only the last one of its position has that, as `text`.

        Returns the position that is reached; None if this event has arrived before. Raises
        `ServerFault`.
        """
        before = self._part
        self._expect_nothing_else(url, part.position, within=True)
        if before is None:
            if self._given is not None and part.position <= self._given.position:
                raise ServerFault(f"{url} sent {_place(part)} again, after {self.text}")
        elif self._is_repeating:
            if part.number > before.number or text is not None:
                raise ServerFault(
                    f"{url} sent {_place(part)}, but not {_place(before)} as before"
                )
            self._is_repeating = part.number < before.number
            return None
        elif part.number <= before.number:
            raise ServerFault(f"{url} sent {_place(part)} after {_place(before)}")
        self._part = part
        if text is not None:
            given = self._read(url, text)
            if given.position != part.position:
                raise ServerFault(f"{url} sent {_place(part)} with the position {text}")
            self.text, self._given, self._part = str(text), given, None
        return self.text

    def leave(self, first: int) -> None:
        """Note that the blocks from this height on are missing at the server."""
        if self._part is not None and self._part.position.height >= first:
            self._part, self._is_repeating = None, False

    def stand(self, url: str, text: object) -> str:
        """Note that nothing more comes up to this position. Raises `ServerFault`."""
        given = self._read(url, text)
        if self._part is not None and given.position >= self._part.position:
            self._expect_nothing_else(url, given.position)
        if self._given is not None and given.position < self._given.position:
            raise ServerFault(f"{url} went back to {text}, after {self.text}")
        self.text, self._given = str(text), given
        return self.text

    def _expect_nothing_else(
        self, url: str, position: Position, *, within: bool = False
    ) -> None:
        part = self._part
        if part is not None and not (within and part.position == position):
            raise ServerFault(
                f"{url} went on to {position_text(*position, None)}"
                f" before the last event of {position_text(*part.position, None)}"
            )

    def _read(self, url: str, text: object) -> GivenPosition:
        given = _parse(text) if isinstance(text, str) else None
        if given is None:
            raise ServerFault(f"{url} sent {str(text)[:100]!r} instead of a position")
        return given


def _parse(text: str) -> GivenPosition | None:
    try:
        return parse_position(text)
    except ValueError:
        return None  # "earliest", or a transaction id


def _place(part: Part) -> str:
    return f"event {part.number} of {position_text(*part.position, None)}"


def _begins_at(given: GivenPosition, asked: GivenPosition, oldest: str) -> bool:
    """Whether this is where the server was asked to begin."""
    if given.position == asked.position:
        known = given.fingerprint and asked.fingerprint
        return not known or given.fingerprint == asked.fingerprint
    # A position before the first block of the chain means the beginning of the chain.
    if not oldest.isascii() or not oldest.isdigit():
        return False
    return asked.position < given.position == Position.end_of(int(oldest) - 1)


class Route:
    """Which server to ask next, and after which delay."""

    def __init__(
        self, urls: Sequence[str], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._urls = tuple(urls)
        self._jitter = jitter
        self._turn = 0
        self._failures = 0
        self._retry_after = 0.0
        self._without: set[str] = set()

    @property
    def url(self) -> str:
        """The server whose turn it is."""
        return self._urls[self._turn]

    def worked(self) -> None:
        """The current server sent what it was asked for."""
        self._failures = 0
        self._retry_after = 0.0
        self._without.clear()

    def lacks(self) -> bool:
        """The current server no longer has what comes next; returns whether none has it."""
        self._without.add(self.url)
        return len(self._without) == len(set(self._urls))

    def failed(self, *, retry_after: float = 0) -> float:
        """Turn to the next server; returns the seconds to wait first."""
        rounds = self._failures // len(self._urls)
        self._failures += 1
        self._turn = (self._turn + 1) % len(self._urls)
        self._retry_after = max(
            self._retry_after, min(retry_after, LONGEST_RETRY_AFTER)
        )
        # The exponent is bounded, or the delay would overflow a float.
        delay = min(LONGEST_DELAY, FIRST_DELAY * (1 << min(rounds, 20)))
        delay *= 0.5 + self._jitter() / 2
        if self._failures % len(self._urls) == 0:
            # All servers have been asked, so now the longest Retry-After counts.
            delay, self._retry_after = delay + self._retry_after, 0.0
        return delay
