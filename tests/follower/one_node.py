"""One node as the follower sees it, and the fake behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.follower.following import inline
from tests.follower.wires import Serve, Wires
from trio_stream.follower.nodes import Node, NodeSettings


@asynccontextmanager
async def asking(serve: Serve, **settings: Any) -> AsyncIterator[Node]:
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["n"] = serve
        given = NodeSettings(**{"open_tcp": wires.open_tcp, "rate": 1e6, **settings})
        node = Node("http://n/prefix", given, run_sync=inline)
        yield node
        await node.aclose()
        nursery.cancel_scope.cancel()
