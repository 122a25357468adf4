"""The streams that doors offer, for one kind of chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic

from trio_stream.stream.page_request import S
from trio_stream.stream.query_string import QueryReader, wants_notices
from trio_stream.stream.request import Asked, UnknownStream
from trio_stream.stream.selection import STREAMS_PATH

PULL_PATH: Final = "/api/v1/events"
"""Where clients that poll find all streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams(Generic[S]):
    """What there is to subscribe to, and what doors have to know of its messages."""

    what: str
    """What kind of chain it is, in words for clients."""
    reader: QueryReader[S]
    elsewhere: tuple[str, ...]
    """The names of streams of other kinds of chain."""
    with_positions: Callable[[S], S]
    """The same in a form whose messages say their position."""
    as_asked: Callable[[S, bytes], bytes]
    """A message in that form, turned into the form that is asked for."""
    finds_refused: Callable[[S], bool]
    """Whether a transaction that was refused is a place in what is selected."""

    def at(self, path: str) -> str | None:
        """The name of the stream at this path; None if there is none."""
        name = path.removeprefix(STREAMS_PATH)
        return name if name != path and name in self.reader.names else None

    def misplaced(self, path: str) -> bytes | None:
        """What to say, as JSON, if another kind of chain has a stream at this path.

        A client that gets another 404 may try again, since that can come from a proxy.
        """
        name = path.removeprefix(STREAMS_PATH)
        if name == path or name not in self.elsewhere:
            return None
        unknown = self._unknown(name)
        said = {
            "error": unknown.error,
            "message": str(unknown),
            "status": unknown.status,
        }
        return json.dumps(said).encode("ascii") + b"\n"

    def subscription(self, name: str, query: str) -> Asked[S]:
        """What a subscriber to a stream asks for, here or elsewhere. Raises `BadRequest`."""
        if name in self.elsewhere:
            error = self._unknown(name)
            error.notices = wants_notices(query)
            raise error
        return self.reader.subscription(name, query)

    def _unknown(self, name: str) -> UnknownStream:
        return UnknownStream(
            f"this server {self.what} and has no stream {name!r}; it has"
            f" {', '.join(self.reader.names)}"
        )
