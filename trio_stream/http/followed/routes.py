"""A follower's routes: which of its paths are answered by what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from trio_stream.feeds.selection import Feed
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.documents import Documents
from trio_stream.http.followed.lookups import FollowedLookups, Stored
from trio_stream.http.making import some_at_a_time
from trio_stream.http.plain import Plain
from trio_stream.http.routes import (
    API,
    DESCRIPTION,
    Get,
    Lookup,
    Others,
    Post,
    Routes,
)

FOLLOWER_BODY_BYTES: Final = 2**20
"""What is posted to a follower at most: as much as a node takes, unless that is set otherwise."""

FOLLOWER_OPENAPI: Final = Path(__file__).parent / "openapi.json"


def followed_routes(
    log: Stored,
    *,
    streams_url: str,
    observed: Mapping[str, Get],
    others: Others | None = None,
) -> Routes:
    """All routes of a follower.

    `observed` answers what is asked about the follower itself, by path; `others` answers JSON-RPC:
    what is posted to `/`, and what is asked for by the name of a method.
    """
    streams = [each.value for each in Feed]
    documents = Documents(streams, streams_url, json_rpc=others is not None)
    lookups = FollowedLookups(log)
    description = HttpAnswer(200, FOLLOWER_OPENAPI.read_bytes())

    async def root() -> HttpAnswer:
        return HttpAnswer(200, documents.root(await log.summary()))

    async def api_root(_: bytes) -> HttpAnswer:
        return HttpAnswer(200, documents.api_root(await log.summary()))

    async def described(_: bytes) -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        return description

    return Routes(
        root=root,
        gets={**observed, API: api_root, DESCRIPTION: described},
        lookups={
            f"{API}/blocks/": Lookup(some_at_a_time(lookups.block), digits=True),
            f"{API}/transactions/": Lookup(some_at_a_time(lookups.transaction)),
        },
        streams=streams,
        posts={"/": _posts_to(others)} if others else {},
        others=others,
        no_such_path=documents.no_such_path,
    )


def _posts_to(others: Others) -> Post:
    async def post(request: Plain) -> HttpAnswer:
        coming = others(request)
        assert coming is not None  # whatever is posted there gets an answer
        said = await coming
        assert isinstance(said, HttpAnswer)
        return said

    return post
