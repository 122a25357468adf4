"""A client of the stream: every event once and in order, over lost connections and restarts.

    async with open_stream("ws://localhost:9985", checkpoint="position.txt") as events:
        async for event in events:
            print(event["transaction_id"])

Several servers of the same chain may be given, and any of them will do. The stream goes on until
it reaches the requested end (`until`), the caller leaves, or it cannot go on, which raises
`StreamError`: the request is wrong, the server has another history, or it is at fault. Anything
else is retried, and logged. `iterate` is the same for programs without Trio; `Options` lists what
both accept. A follower's streams of another chain are read in the same way (`stream="events"`);
blocks that it could not get are a `Gap` in the stream.
"""

from trio_stream.client.blocking import BlockingEvents, iterate
from trio_stream.client.checkpoint import Checkpoint, CheckpointError, FileCheckpoint
from trio_stream.client.connection import OpenStream
from trio_stream.client.events import Events, open_stream
from trio_stream.client.messages import Event, Gap
from trio_stream.client.options import Options, RunSync
from trio_stream.client.request import Texts
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
    "Gap",
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
