"""A client of the stream: every event once and in order, over lost connections and restarts.

    async with open_stream("ws://localhost:9985", checkpoint="position.txt") as events:
        async for event in events:
            print(event["transaction_id"])

Several servers of the same chain may be given, and one is as good as another. The stream
goes on until it comes to the end that was asked for (`until`), the caller leaves, or
nothing can be done, which raises `StreamError`: the question is wrong, the history is
another one, or a server is at fault. All else is waited for, and told in the log. `iterate`
is the same for programs without Trio; `client_options.Options` has what both take.
"""

from trio_stream.client.blocking import BlockingEvents, iterate
from trio_stream.client.checkpoint import Checkpoint, CheckpointError, FileCheckpoint
from trio_stream.client.connection import OpenStream
from trio_stream.client.events import Events, open_stream
from trio_stream.client.options import Options, RunSync
from trio_stream.client.request import Texts
from trio_stream.client.session import Event
from trio_stream.client.verdicts import (
    NotResumable,
    Refused,
    ServerFault,
    StreamError,
)

__all__ = [
    "BlockingEvents",
    "Checkpoint",
    "CheckpointError",
    "Event",
    "Events",
    "FileCheckpoint",
    "NotResumable",
    "OpenStream",
    "Options",
    "Refused",
    "RunSync",
    "ServerFault",
    "StreamError",
    "Texts",
    "iterate",
    "open_stream",
]
