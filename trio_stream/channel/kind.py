"""What the channel has to know of the kind of chain whose blocks it announces.

All else in this room is the same for every kind: where clones read, how those that wait are served,
and what they share. `committed` is the kind that a node has, `followed` the one of a follower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from trio_stream.channel.pages import Replay
from trio_stream.channel.tally import NewestBlock, TallyStatistics
from trio_stream.stream.frames import Frames
from trio_stream.stream.page_request import S
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.stream.streams import Streams

S_contra = TypeVar("S_contra", contravariant=True)


class Index(Protocol[S_contra]):
    """The selections that somebody reads, the shared one aside."""

    def add(self, selection: S_contra) -> None: ...

    def discard(self, selection: S_contra) -> None: ...

    def __bool__(self) -> bool: ...


class Live(Protocol[S]):
    """A run of the newest blocks, for those who wait for it."""

    @property
    def start(self) -> Position: ...

    @property
    def end(self) -> Position: ...

    @property
    def fingerprint(self) -> str | None:
        """What stands at `end`."""
        ...

    @property
    def weight(self) -> int:
        """Roughly how many bytes its shared frames take, even if they are not made."""
        ...

    async def fetch(self) -> None:
        """Read what the log has to say before this can be matched."""
        ...

    def shared(self, *, wanted: bool) -> Frames | None:
        """The frames of the shared selection; None if they take long to make, or are not `wanted`.

        They may be made all the same.
        """
        ...

    def match(self) -> Iterator[None]:
        """Find the selections that get something, in steps between which others have a turn."""
        ...

    def matched(self) -> Iterable[S]:
        """Those that were found."""
        ...

    def is_long(self, selection: S) -> bool:
        """Whether its readers should turn to the log: these messages would take long to make."""
        ...

    def prepare(self, selection: S) -> Iterator[None]:
        """Make its messages in steps, if all together would take long."""
        ...

    def frames(self, selection: S) -> Frames: ...


class Read(NamedTuple, Generic[S]):
    """What follows a height in the log."""

    height: int
    """How far this reaches."""
    lives: Iterator[Live[S]]
    """The runs of it, one after the other."""


class Extent(NamedTuple):
    """From where to where there are blocks in the log."""

    start: int
    """The height before the first of them."""
    tip: int


class Tallied(Protocol):
    """Counts what is read."""

    @property
    def newest(self) -> NewestBlock: ...

    def statistics(self) -> TallyStatistics: ...


class Kind(Replay[S], Protocol[S]):
    """A kind of chain, and the log that has one."""

    @property
    def streams(self) -> Streams[S]: ...

    @property
    def shared(self) -> S:
        """The selection whose frames are kept in the tail."""
        ...

    @property
    def primed(self) -> int:
        """How many of the newest blocks are read at the start, before anybody can subscribe."""
        ...

    @property
    def index(self) -> Index[S]: ...

    @property
    def tally(self) -> Tallied: ...

    async def extent(self) -> Extent:
        """What there is now."""
        ...

    async def read_after(self, height: int) -> Read[S] | None:
        """What follows, as much as is read in one go; None if there is nothing.

        Raises `BelowOldest` if that has been dropped.
        """
        ...

    async def landmarks(self, place: Position | str | None) -> Landmarks:
        """What the log says about itself, and about a position or a transaction's id."""
        ...

    def end(self) -> None:
        """There will be no more blocks."""
        ...
