"""The options of a client, and the puller that is made from them."""

from __future__ import annotations

import os
import random
import re
import ssl
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypedDict, TypeVar

import trio

from trio_stream.client.checkpoint import Checkpoint
from trio_stream.client.connection import ConnectionSettings, OpenStream
from trio_stream.client.request import StreamName, Texts, Wanted, read_urls, texts
from trio_stream.client.resume import Progress, Route
from trio_stream.client.session import Puller
from trio_stream.stream.names import meant_by

T = TypeVar("T")

CONNECT_TIMEOUT: Final = 10.0
# Three times the interval at which a server pings a client at the tip.
SILENCE_TIMEOUT: Final = 60.0
_TOKEN: Final = re.compile(r"[!-~]+")


class RunSync(Protocol):
    """`trio.to_thread.run_sync`, or a stand-in for it."""

    async def __call__(self, work: Callable[[str], object], argument: str, /) -> object:
        """Run `work(argument)`."""


class Options(TypedDict, total=False):
    """The options of `open_stream` and `iterate`; none is required. Times are in seconds.

    Which stream, if the URL has no path (by default: valid_transactions):
        stream              "valid_transactions", "valid_blocks", "refused_transactions"; of a
                            followed chain "transactions", "blocks", "events"
    Where to begin (by default: from now on; a position saved in `checkpoint` overrides both):
        after               exclusive: a position, a transaction's id, or "earliest"
        from_height         inclusive: the height of a block
    Where to end:
        until               inclusive: "tip" or the height of a block; None: never
    Filters, each a string or several. An event matches a filter if it has any of its values,
    and is sent if it matches all filters:
        asset_id, public_key, operation
    Filters of a followed chain, each a string or several, of which one has to hold:
        query               in CometBFT's language, as "transfer.amount > 5"
        sender, recipient, contract, action     for common keys of the Cosmos SDK
        match               "any": conditions may hold in different events; "event": in one
    What is sent:
        detail              "position" (each event has one), or "full": the transaction too
        empty_blocks        True: the stream of blocks includes empty ones
        notices             keeps the position moving while nothing matches; None: only if
                            there are filters
    Where the position is kept:
        checkpoint          a path, or an object with `load()` and `save(position)`
        checkpoint_every    save after this many events (default 1), and whenever the next
                            event has to be waited for
    The connection:
        token               sent in the header `Authorization`, for servers that need one
        ssl_context         for wss://; None: the system's certificates
        connect_timeout     until the upgrade is answered
        silence_timeout     a connection on which no byte arrives for this long counts as
                            lost; the server is pinged before that
    Stand-ins for the network, for chance and for threads, useful in tests:
        open_tcp, jitter, run_sync
    """

    stream: StreamName | None
    after: str | None
    from_height: int | None
    until: int | Literal["tip"] | None
    asset_id: Texts
    public_key: Texts
    operation: Texts
    query: Texts
    sender: Texts
    recipient: Texts
    contract: Texts
    action: Texts
    match: Literal["any", "event"] | None
    detail: Literal["position", "full"]
    empty_blocks: bool
    notices: bool | None
    checkpoint: Checkpoint | str | os.PathLike[str] | None
    checkpoint_every: int
    token: str | None
    ssl_context: ssl.SSLContext | None
    connect_timeout: float
    silence_timeout: float
    open_tcp: OpenStream
    jitter: Callable[[], float]
    run_sync: RunSync


def check_names(options: Options) -> None:
    """Raise TypeError for an unknown option, as Python does for an unknown parameter."""
    known = Options.__optional_keys__
    for name in options:
        if name not in known:
            meant = meant_by(name, sorted(known))
            hint = f"did you mean {meant!r}?" if meant else ", ".join(sorted(known))
            raise TypeError(f"unknown option {name!r}; {hint}")


def _token(given: str | None) -> str | None:
    if given is not None and not _TOKEN.fullmatch(given):
        # The message does not repeat it.
        raise ValueError("the token must consist of visible ASCII characters")
    return given


def make_puller(urls: Texts, options: Options, *, saved: str | None) -> Puller:
    """A puller that follows the stream, starting at the saved position if there is one.

    Raises ValueError for invalid URLs or options.
    """
    every = read_urls(urls, options.get("stream"))
    return Puller(
        every,
        Wanted(
            asset_id=texts(options.get("asset_id", ())),
            public_key=texts(options.get("public_key", ())),
            operation=texts(options.get("operation", ())),
            query=texts(options.get("query", ())),
            sender=texts(options.get("sender", ())),
            recipient=texts(options.get("recipient", ())),
            contract=texts(options.get("contract", ())),
            action=texts(options.get("action", ())),
            match=options.get("match"),
            detail=options.get("detail", "position"),
            empty_blocks=options.get("empty_blocks", False),
            notices=options.get("notices"),
        ),
        Progress(
            after=options.get("after") if saved is None else saved,
            from_height=options.get("from_height") if saved is None else None,
            until=options.get("until"),
        ),
        Route(tuple(every), jitter=options.get("jitter", random.random)),
        ConnectionSettings(
            token=_token(options.get("token")),
            ssl_context=options.get("ssl_context"),
            connect_timeout=options.get("connect_timeout", CONNECT_TIMEOUT),
            silence_timeout=options.get("silence_timeout", SILENCE_TIMEOUT),
            open_tcp=options.get("open_tcp", trio.open_tcp_stream),
        ),
    )
