"""The options of a client, and what is made of them."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypedDict, TypeVar

import trio

from trio_stream.client_checkpoint import Checkpoint
from trio_stream.client_connection import OpenStream, Transport
from trio_stream.client_pull import Puller
from trio_stream.client_request import Texts, Wanted, read_urls, texts
from trio_stream.client_resume import Progress, Route

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 10.0
# Three times what a server leaves between its Pings to a client that has all there is.
SILENCE_TIMEOUT: Final = 60.0


class RunSync(Protocol):
    """`trio.to_thread.run_sync`, or what stands in for it."""

    async def __call__(self, work: Callable[[str], object], argument: str, /) -> object:
        """Run `work(argument)`."""


class Options(TypedDict, total=False):
    """All of them may be left out. Times in seconds."""

    # Where to begin: exclusive, a position, a transaction's id or "earliest"; or inclusive, a
    # height. Neither: from now on. A position that `checkpoint` holds comes before both.
    after: str | None
    from_height: int | None
    # Where to end, inclusive; None: never.
    until: int | Literal["tip"] | None

    # Filters: OR between the values of one, AND between them.
    asset_id: Texts
    public_key: Texts
    operation: Texts

    # Each event has its position; "full" adds the whole transaction.
    detail: Literal["position", "full"]
    # Only for the stream of blocks: also those in which nothing was committed.
    empty_blocks: bool
    # Let the position move on while nothing matches; None: if there are filters.
    notices: bool | None

    # A path, or what loads and saves a position: saved when so many events are done, and
    # whenever the next one has to be waited for.
    checkpoint: Checkpoint | str | os.PathLike[str] | None
    checkpoint_every: int

    # For wss://; None: the system's certificates.
    ssl_context: ssl.SSLContext | None
    connect_timeout: float
    # Without a byte for so long a connection counts as lost; the server is pinged before.
    silence_timeout: float

    # What stands in for the network, for chance and for threads.
    open_tcp: OpenStream
    jitter: Callable[[], float]
    run_sync: RunSync


def make_puller(urls: Texts, options: Options, *, saved: str | None) -> Puller:
    """What follows the stream, from the saved position on if there is one.

    Raises ValueError for URLs or options that cannot be meant.
    """
    every = read_urls(urls)
    return Puller(
        every,
        Wanted(
            asset_id=texts(options.get("asset_id", ())),
            public_key=texts(options.get("public_key", ())),
            operation=texts(options.get("operation", ())),
            detail=options.get("detail", "position"),
            empty_blocks=options.get("empty_blocks", False),
            notices=options.get("notices"),
        ),
        Progress(
            after=options.get("after") if saved is None else saved,
            from_height=options.get("from_height") if saved is None else None,
            until=options.get("until"),
        ),
        Route(every, jitter=options.get("jitter", random.random)),
        Transport(
            ssl_context=options.get("ssl_context"),
            connect_timeout=options.get("connect_timeout", CONNECT_TIMEOUT),
            silence_timeout=options.get("silence_timeout", SILENCE_TIMEOUT),
            open_tcp=options.get("open_tcp", trio.open_tcp_stream),
        ),
    )
