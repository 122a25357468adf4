"""What one kind of daemon answers by itself, by path; `http.api` has what is the same in all kinds.

Nothing here knows Quart: `http.api` adds these routes to it, and answers requests that come all
day (`find`) without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NamedTuple

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.http.plain import Plain

API: Final = "/api/v1"
DESCRIPTION: Final = f"{API}/openapi.json"
STATUS: Final = f"{API}/status"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
METRICS: Final = "/metrics"

Coming = Awaitable[HttpAnswer | Streamed]

Get = Callable[[bytes], Coming]
"""Answers a query string."""

Post = Callable[[Plain], Awaitable[HttpAnswer]]
"""Answers a request with its body."""

Others = Callable[[Plain], Coming | None]
"""Answers what has no route here; None if there is no answer either."""


class Lookup(NamedTuple):
    """What is found by a name, which is the last part of the path."""

    answer: Callable[[str], Coming]
    digits: bool = False
    """Whether names are decimal digits; anything else is another path then."""


class Routes:
    """The routes of one kind of daemon."""

    def __init__(
        self,
        *,
        root: Callable[[], Awaitable[HttpAnswer]],
        gets: Mapping[str, Get],
        lookups: Mapping[str, Lookup],
        streams: Collection[str],
        posts: Mapping[str, Post] | None = None,
        others: Others | None = None,
        no_such_path: Callable[[str], HttpAnswer] = lambda _: answers.NO_SUCH_PATH,
    ) -> None:
        """`root` is what programs get at `/`, `streams` are the names of the streams.

        `gets` and `posts` are by path, `lookups` by what stands before the name. `others` is asked
        about requests for which there is no route.
        """
        self.root = root
        self.gets = gets
        self.lookups = lookups
        self.streams = streams
        self.posts = posts or {}
        self.others = others
        self.no_such_path = no_such_path
        self._gets = {**gets, **{f"{path}/": get for path, get in gets.items()}}
        self._lookups = {path.rstrip("/"): each for path, each in lookups.items()}

    def find(self, path: str, query: bytes) -> Coming | None:
        """The answer to a GET; None if none of these routes has this path."""
        get = self._gets.get(path)
        if get is not None:
            return get(query)
        before, _, name = path.rpartition("/")
        lookup = self._lookups.get(before)
        if lookup is None or lookup.digits and not name.isdigit():
            return None
        return lookup.answer(name)
