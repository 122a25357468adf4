"""The first chain of `moving_chain`: it lives, and its validators end it."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import trio

from scripts import child
from scripts.chaos import Failed
from scripts.daemon_process import RunningDaemon
from scripts.engines import network
from scripts.engines.build import Release
from scripts.engines.process import NOT_THERE, Rpc, RpcError, RunningEngine
from scripts.signing import Document, Key, create, encode, transfer
from tests.engines.site import ALICE, BOB, Site, settled
from tests.voting import migration, vote
from trio_stream.log.file import FILE_NAME

PATIENCE: Final = 900.0
POWER: Final = 10
"""What `init` gives a validator."""
SOON: Final = 5.0
FORGOTTEN: Final = 30.0
"""Seconds after which a transaction that is in no block is handed to another engine."""
AT_ONCE: Final = 16
"""Transactions that are on their way to an engine's mempool."""
STEP: Final = 2_500
"""Transactions that are handed over before the mempool has to be empty; it holds 5,000 of them."""


@dataclass(slots=True)
class Node:
    """A daemon, the engine in front of it, and that engine's home."""

    site: Site
    daemon: RunningDaemon
    engine: RunningEngine
    key: Key

    @property
    def rpc(self) -> Rpc:
        return self.engine.rpc


async def live_and_end(
    engine: Release,
    sites: Sequence[Site],
    daemons: Sequence[RunningDaemon],
    transactions: int,
    watch: Callable[[str], None],
) -> list[Document]:
    """Let the chain live, and its validators end it; assets that Alice still has."""
    async with child.open_nursery() as engines:
        nodes = []
        for site, daemon in zip(sites, daemons, strict=True):
            running = await site.start_engine(engines)
            key = network.validator_key(site.validator)
            nodes.append(Node(site, daemon, running, key))
        for node in nodes:
            await node.engine.ready(PATIENCE)
        watch("start")
        assets = await fill(nodes, transactions)
        watch(f"{transactions:,} transactions in {await nodes[0].rpc.height()} blocks")
        await migrate(nodes)
        await halt(nodes)
        watch("migration")
    return assets


async def fill(nodes: Sequence[Node], count: int) -> list[Document]:
    """Commit so many assets, in blocks as large as they get; some are spent."""
    assets = [create(ALICE, data={"number": n}) for n in range(count - count // 10)]
    spent = [
        transfer(each, ALICE, recipients=[(BOB, 1)]) for each in assets[: count // 10]
    ]
    for documents in (assets, spent):
        for start in range(0, len(documents), STEP):
            await send(nodes, documents[start : start + STEP])
            await child.poll(
                partial(_is_level, nodes), seconds=PATIENCE, what="the same height"
            )
    return assets[count // 10 :]


async def send(nodes: Sequence[Node], documents: Sequence[Document]) -> None:
    """Hand these to the engines in turn, and wait until all are committed."""
    turns = itertools.cycle(nodes)
    missing = documents
    while missing:
        left = iter(zip(turns, missing))

        async def some() -> None:
            for node, document in left:  # noqa: B023  # it ends before the next turn
                with suppress(RpcError, *NOT_THERE):
                    await node.rpc.broadcast("async", encode(document))

        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE):
                nursery.start_soon(some)
        for node in nodes:
            await child.poll(
                partial(_is_empty, node.rpc), seconds=PATIENCE, what="an empty mempool"
            )
        await settled(nodes[0].rpc)
        # 0.31 forgets a few that come while it checks its mempool after a block; the engine that
        # got one remembers that, so another one has to be asked.
        known = ids_in(nodes[0].site.settings.home / FILE_NAME)
        missing = [each for each in missing if each["id"] not in known]
        next(turns)


def ids_in(log: Path) -> set[str]:
    """The transactions that are committed."""
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
        return {
            each for (each,) in connection.execute("SELECT id FROM v1_transactions")
        }


async def _is_level(nodes: Sequence[Node]) -> bool | None:
    """Whether each node has all blocks, and so knows what can be spent."""
    return len({await settled(node.rpc) for node in nodes}) == 1 or None


async def _is_empty(rpc: Rpc) -> bool | None:
    try:
        return (await rpc.call("num_unconfirmed_txs"))["n_txs"] == "0" or None
    except NOT_THERE:
        return None


async def commit(daemons: Sequence[RunningDaemon], document: Document) -> None:
    """Post this to one node after the other, until one of them has it in a block.

    An engine may forget one, and remembers that it got it: then another engine has to be asked.
    """
    with trio.fail_after(PATIENCE):
        for daemon in itertools.cycle(daemons):
            answer = await daemon.post(encode(document), "sync")
            # Somebody may have it already, and the last vote ends the chain.
            if answer.status not in (202, 400, 500, 503):
                raise Failed(f"{answer.status} {answer.body!r:.300}")
            with suppress(TimeoutError):
                await known(daemons, document, seconds=FORGOTTEN)
                return


async def known(
    daemons: Sequence[RunningDaemon], document: Document, *, seconds: float = PATIENCE
) -> None:
    """Wait until one of these has the transaction in a block."""

    async def there() -> bool | None:
        target = f"/api/v1/transactions/{document['id']}"
        found = [await each.http("GET", target) for each in daemons]
        return any(each.status == 200 for each in found) or None

    await child.poll(there, seconds=seconds, what="a transaction")


async def migrate(nodes: Sequence[Node]) -> None:
    """Open the election at one node, and vote at three, the last one of which decides."""
    daemons = [node.daemon for node in nodes]
    tokens = [(node.key, POWER) for node in nodes]
    opened = migration(proposer=nodes[0].key, recipients=tokens)
    await commit(daemons, opened)
    for node in nodes[:3]:
        for daemon in daemons:
            await known([daemon], opened)
        await commit(daemons, vote(opened, node.key))


async def halt(nodes: Sequence[Node]) -> None:
    """Wait until an engine has exited, and a little for the others.

    It exits because the daemon refuses the next block; without it, others may never get that far.
    """
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as waiting:

            async def wait(node: Node) -> None:
                await node.engine.wait()
                waiting.cancel_scope.cancel()

            for node in nodes:
                waiting.start_soon(wait, node)
    with trio.move_on_after(SOON):
        for node in nodes:
            await node.engine.wait()
