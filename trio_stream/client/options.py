"""The options of a client, and what is made of them."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypedDict, TypeVar

import trio

from trio_stream.client.checkpoint import Checkpoint
from trio_stream.client.connection import ConnectionSettings, OpenStream
from trio_stream.client.request import Texts, Wanted, read_urls, texts
from trio_stream.client.resume import Progress, Route
from trio_stream.client.session import Puller
from trio_stream.stream.names import meant_by

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 10.0
# Three times what a server leaves between its Pings to a client that has all there is.
SILENCE_TIMEOUT: Final = 60.0


class RunSync(Protocol):
    """`trio.to_thread.run_sync`, or what stands in for it."""

    async def __call__(self, work: Callable[[str], object], argument: str, /) -> object:
        """Run `work(argument)`."""


class Options(TypedDict, total=False):
    """The options of `open_stream` and `iterate`; all may be left out. Times are in seconds.

    Where to begin (neither of the two: from now on; a position that `checkpoint` holds comes
    before both):
        after               exclusive: a position, a transaction's id, or "earliest"
        from_height         inclusive: the height of a block
    Where to end:
        until               inclusive: "tip" or the height of a block; None: never
    Filters, each one text or several: *or* between the values of one, *and* between them:
        asset_id, public_key, operation
    What is sent:
        detail              "position" (each event has one), or "full": the transaction too
        empty_blocks        True: of the stream of blocks also the empty ones
        notices             lets the position move on while nothing matches; None: if there
                            are filters
    Where the position is kept:
        checkpoint          a path, or an object with `load()` and `save(position)`
        checkpoint_every    save when so many events are done, and when the next one has to be
                            waited for; 1 if not given
    The connection:
        ssl_context         for wss://; None: the system's certificates
        connect_timeout     until the upgrade is answered
        silence_timeout     without a byte for so long a connection counts as lost; the server
                            is pinged before
    Stand-ins for the network, for chance and for threads, of use in tests:
        open_tcp, jitter, run_sync
    """

    after: str | None
    from_height: int | None
    until: int | Literal["tip"] | None
    asset_id: Texts
    public_key: Texts
    operation: Texts
    detail: Literal["position", "full"]
    empty_blocks: bool
    notices: bool | None
    checkpoint: Checkpoint | str | os.PathLike[str] | None
    checkpoint_every: int
    ssl_context: ssl.SSLContext | None
    connect_timeout: float
    silence_timeout: float
    open_tcp: OpenStream
    jitter: Callable[[], float]
    run_sync: RunSync


def check_names(options: Options) -> None:
    """Raise TypeError for an option that there is not, as Python does for a parameter."""
    known = Options.__optional_keys__
    for name in options:
        if name not in known:
            meant = meant_by(name, sorted(known))
            hint = f"did you mean {meant!r}?" if meant else ", ".join(sorted(known))
            raise TypeError(f"unknown option {name!r}; {hint}")


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
        ConnectionSettings(
            ssl_context=options.get("ssl_context"),
            connect_timeout=options.get("connect_timeout", CONNECT_TIMEOUT),
            silence_timeout=options.get("silence_timeout", SILENCE_TIMEOUT),
            open_tcp=options.get("open_tcp", trio.open_tcp_stream),
        ),
    )
