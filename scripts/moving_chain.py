"""A chain of four nodes ends with a migration, and goes on with a newer engine.

Its transactions fill large blocks. The validators vote for the migration, and every engine exits.
The last node, and whichever was behind, takes over another one's log by export and import. A
genesis file made from each log is the same, and with it four engines of another release begin the
next chain in front of the daemons. Outputs of the old chain are spent, and a subscriber who was
there from the beginning gets every event once.

As a program it makes such a chain and says how long each step took.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from scripts import child, daemon_process
from scripts.chaos import Failed
from scripts.daemon_process import RunningDaemon
from scripts.devnet import evidence
from scripts.engines import build, compiling, network, process
from scripts.engines.build import Release
from scripts.engines.home import TIMEOUT_COMMIT, ValidatorHome
from scripts.engines.process import NOT_THERE, Rpc, RpcError, RunningEngine
from scripts.signing import Document, Key, create, encode, transfer
from tests.engines.site import ALICE, BOB, Site, settled
from tests.voting import migration, vote
from trio_stream.client import Event, Events, open_stream
from trio_stream.log.file import FILE_NAME

NODES: Final = 4
POWER: Final = 10
"""What `init` gives a validator."""
PATIENCE: Final = 900.0
SPENT: Final = 8
"""Outputs of the old chain that are spent in the next one."""
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


class Follower:
    """A subscriber who keeps what it gets."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._came = trio.Event()

    async def follow(self, events: Events) -> None:
        async for event in events:
            self.events.append(event)
            self._came.set()
            self._came = trio.Event()

    async def until(self, transaction_id: str) -> None:
        """Wait until the event of this transaction has come."""
        with trio.fail_after(PATIENCE):
            while not any(
                each["transaction_id"] == transaction_id for each in self.events[-50:]
            ):
                await self._came.wait()


async def prove(
    old: Release, new: Release, folder: Path, *, transactions: int, pause: str = "0s"
) -> str:
    """Make such a chain, move it, and compare; what there is, in words.

    The old engines wait for so long between blocks. Raises Failed if anything differs.
    """
    sites = Site.several(old, folder, NODES)
    validators = [
        replace(site.validator, settings={TIMEOUT_COMMIT: pause}) for site in sites
    ]
    await network.prepare(old.binary, validators, addresses_of(validators))
    follower, watch = Follower(), Watch()
    async with child.open_nursery() as daemons:
        running = [
            await daemon_process.start_daemon(daemons, each.settings) for each in sites
        ]
        streams = [daemon.stream for daemon in running]
        async with open_stream(streams, after="earliest") as events:
            async with trio.open_nursery() as readers:
                readers.start_soon(follower.follow, events)
                assets = await live_and_end(old, sites, running, transactions, watch)
                end = await take_over(daemons, sites, running, folder / "export")
                watch(f"a log taken over at height {end}")
                genesis = await genesis_of(sites)
                watch("genesis files")
                said = await go_on(new, sites, running, genesis, assets, follower)
                watch(f"the next chain, {said}")
                addresses = [site.settings.stream for site in sites]
                streams_said = await evidence.streams(addresses)
                readers.cancel_scope.cancel()
    check_events(follower.events, end, transactions)
    logs = evidence.logs([site.settings.home / FILE_NAME for site in sites])
    return (
        f"{old.name} to {new.name}: {watch}; {len(follower.events):,} events for a"
        f" subscriber, in order and each once; the same streams, {streams_said}; the same"
        f" logs, {logs}"
    )


class Watch:
    """How long each step took."""

    def __init__(self) -> None:
        self._since = trio.current_time()
        self._said: list[str] = []

    def __call__(self, step: str) -> None:
        now = trio.current_time()
        self._said.append(f"{step} {now - self._since:.1f} s")
        self._since = now

    def __str__(self) -> str:
        return ", ".join(self._said)


def addresses_of(validators: Sequence[ValidatorHome]) -> list[str]:
    return [f"127.0.0.1:{each.p2p_port}" for each in validators]


# The old chain


async def live_and_end(
    engine: Release,
    sites: Sequence[Site],
    daemons: Sequence[RunningDaemon],
    transactions: int,
    watch: Watch,
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


async def take_over(
    nursery: trio.Nursery,
    sites: Sequence[Site],
    daemons: list[RunningDaemon],
    file: Path,
) -> int:
    """Bring all logs to the end of the chain, whose height is returned.

    A node that was behind when the engines exited gets no more blocks from them.
    """
    heights = [(await state_of(daemon))["height"] for daemon in daemons]
    end = max(heights)
    first = heights.index(end)
    await trio_stream("export", file, "--home", sites[first].settings.home)
    for number, site in enumerate(sites):
        is_last = number == NODES - 1 and number != first
        if heights[number] == end and not is_last:
            continue
        await daemons[number].stop()
        home = site.settings.home.parent / "imported"
        await trio_stream("import", file, "--home", home)
        site.settings = replace(site.settings, home=home)
        daemons[number] = await daemon_process.start_daemon(nursery, site.settings)
    for daemon in daemons:
        state = await state_of(daemon)
        refused = await daemon.post(encode(create(ALICE, data={"late": True})))
        if not state["ended"] or state["height"] != end or refused.status != 503:
            raise Failed(f"{state}; {refused.status} {refused.body!r:.300}")
    return int(end)


async def state_of(daemon: RunningDaemon) -> dict[str, Any]:
    """What the daemon says of itself."""
    document: dict[str, Any] = (await daemon.http("GET", "/api/v1/status")).json()
    return document


async def trio_stream(*arguments: str | Path) -> bytes:
    """What this command prints."""
    ran = await trio.run_process(
        [sys.executable, "-m", "trio_stream", *arguments],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    if ran.returncode:
        raise Failed(f"{arguments}: {ran.stderr.decode(errors='replace')}")
    return ran.stdout


# The next chain


async def genesis_of(sites: Sequence[Site]) -> bytes:
    """The genesis file that each node makes from its log."""
    found = {
        await trio_stream("genesis", "--home", each.settings.home) for each in sites
    }
    if len(found) != 1:
        raise Failed("the nodes make different genesis files")
    return found.pop()


async def go_on(
    engine: Release,
    sites: Sequence[Site],
    daemons: Sequence[RunningDaemon],
    genesis: bytes,
    assets: Sequence[Document],
    follower: Follower,
) -> str:
    """Run engines of the next chain, and spend what the old one left."""
    homes = await moved(engine, [site.validator for site in sites], genesis)
    async with child.open_nursery() as engines:
        running = [
            await process.start_engine(engines, engine.binary, each) for each in homes
        ]
        for each in running:
            await each.ready(PATIENCE)
            await child.poll(
                partial(_makes_blocks, each.rpc),
                seconds=PATIENCE,
                what="the next chain",
            )
        spent = [
            transfer(each, ALICE, recipients=[(BOB, 1)]) for each in assets[:SPENT]
        ]
        for n, document in enumerate(spent):
            await commit([*daemons[n % NODES :], *daemons[: n % NODES]], document)
            await follower.until(document["id"])
        again = await daemons[0].post(encode(assets[0]), "commit")
        if again.status != 400:
            raise Failed(f"an asset of the old chain was committed twice: {again}")
        tips = {await settled(each.rpc) for each in running}
        hashes = {await each.rpc.application() for each in running}
        if len(tips) != 1 or len(hashes) != 1:
            raise Failed(f"the engines differ: {tips} {hashes}")
        return f"at height {tips.pop()}"


async def _makes_blocks(rpc: Rpc) -> bool | None:
    """Whether there is a first block, and the engine takes transactions."""
    try:
        info = (await rpc.call("status"))["sync_info"]
    except NOT_THERE:
        return None
    return int(info["latest_block_height"]) > 0 and not info["catching_up"] or None


async def moved(
    engine: Release, olds: Sequence[ValidatorHome], genesis: bytes
) -> list[ValidatorHome]:
    """Homes for another engine, with the validators' keys and this genesis file."""
    news = [replace(each, home=each.home.parent / "next", settings={}) for each in olds]
    await network.prepare(engine.binary, news, addresses_of(news))
    for old, new in zip(olds, news, strict=True):
        key = (old.home / "config" / "priv_validator_key.json").read_bytes()
        (new.home / "config" / "priv_validator_key.json").write_bytes(key)
        (new.home / "config" / "genesis.json").write_bytes(genesis)
    return news


def check_events(events: Sequence[Event], end: int, transactions: int) -> None:
    """Raise Failed unless they are those of both chains, in order."""
    places = [(each["height"], each["index"]) for each in events]
    if sorted(set(places)) != places:
        raise Failed("the events do not come in order, each once")
    old = sum(height <= end for height, _ in places)
    # An election and three votes; nothing was refused.
    if (old, len(places) - old) != (transactions + 4, SPENT):
        raise Failed(f"{old} events of the old chain, {len(places) - old} of the next")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.moving_chain",
        description="End a chain by a migration, and go on with another engine.",
    )
    parser.add_argument("--old", default="tendermint-0.31.12", choices=build.ENGINES)
    parser.add_argument("--new", default=build.DEFAULT, choices=build.ENGINES)
    parser.add_argument("--transactions", type=int, default=10_000)
    parser.add_argument(
        "--pause", default="5s", help="between the old engine's blocks (default: 5s)"
    )
    options = parser.parse_args(arguments)
    old, new = build.ENGINES[options.old], build.ENGINES[options.new]
    compiling.build([old, new])
    with tempfile.TemporaryDirectory() as folder:
        run = partial(
            prove,
            old,
            new,
            Path(folder),
            transactions=options.transactions,
            pause=options.pause,
        )
        print(trio.run(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
