"""A whole chain on this machine, and its events as they come: `make demo`.

The daemon, a validator whose application it is, a sender of sample transactions and a subscriber
are tasks of one nursery. Ctrl-C ends them in the order of the data flow: sender, engine, daemon;
the subscriber gets everything committed before its stream is closed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio
from trio_websocket import connect_websocket_url

from scripts import child, daemon_process, signing
from scripts.daemon_process import RunningDaemon
from scripts.engines import build
from scripts.engines import home as engine_home
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.in_flight import InFlight, choose_ports, receive
from scripts.ports import Ports

PEOPLE = {
    name: signing.Key.from_seed(name.encode().ljust(32, b"."))
    for name in ("Alice", "Bob", "Carol")
}
THINGS = ("a bicycle", "a violin", "a telescope", "a typewriter", "a sailing boat")


USUAL = Ports(api=9984, stream=9985, abci=26658, rpc=26657, p2p=26656)


class Demo:
    """The sender and the subscriber, with the transactions in flight by id."""

    def __init__(self, in_flight: InFlight, pause: float) -> None:
        self.in_flight = in_flight
        self.pause = pause

    def show(self, event: dict[str, Any]) -> None:
        note = self.in_flight.came(event["transaction_id"], "posted")
        print(f"  event   {json.dumps(event)}{note}", flush=True)

    async def send(self, daemon: RunningDaemon) -> None:
        """Create an asset, pass it on from one person to the next, and begin again with another."""
        maker, *others = PEOPLE
        with self.in_flight.sending:
            for number in itertools.count():
                thing = THINGS[number % len(THINGS)]
                asset = {"thing": thing, "number": number}
                last = signing.create(PEOPLE[maker], data=asset)
                await self.post(daemon, last, f"CREATE    {maker} makes {thing}")
                for giver, taker in pairwise([maker, *others, maker]):
                    last = signing.transfer(
                        last, PEOPLE[giver], recipients=[(PEOPLE[taker], 1)]
                    )
                    text = f"TRANSFER  {giver} gives {thing} to {taker}"
                    await self.post(daemon, last, text)

    async def post(
        self, daemon: RunningDaemon, document: signing.Document, text: str
    ) -> None:
        committed = self.in_flight.send(document["id"])
        try:
            answer = await daemon.post(signing.encode(document))
        except engine_process.NOT_THERE as error:
            raise PostRefused(f"the daemon did not answer a POST: {error}") from error
        print(f"{answer.status} posted  {text}", flush=True)
        if answer.status != 202:
            raise PostRefused(f"{answer.status} {answer.body.decode(errors='replace')}")
        # The next TRANSFER can spend it only once it is in a block; the event says that it is.
        await committed.wait()
        await trio.sleep(self.pause)


class PostRefused(Exception):
    """The daemon did not accept a sample transaction."""


EXPECTED = (
    child.ChildEnded,
    engine_home.BadHome,
    engine_process.NoEngine,
    PostRefused,
    TimeoutError,
)


async def run(engine: str, count: int | None, pause: float) -> None:
    with tempfile.TemporaryDirectory(prefix="trio_stream_demo_") as home:
        in_flight = InFlight(count)
        demo = Demo(in_flight, pause)
        async with child.open_nursery() as nursery:
            processes: list[child.Child] = []
            async with child.until_signal():
                await start(nursery, processes, demo, engine, Path(home))
                await in_flight.enough.wait()
            in_flight.sending.cancel()
            for process in reversed(processes):
                await process.stop()
    print(f"\n{len(in_flight.delays)} events", end="")
    if in_flight.delays:
        print(
            f", {statistics.median(in_flight.delays) * 1000:.0f} ms after POST (median)",
            end="",
        )
    print("; the daemon and the validator have stopped", flush=True)


async def start(
    nursery: trio.Nursery,
    processes: list[child.Child],
    demo: Demo,
    engine: str,
    home: Path,
) -> None:
    """Start everything in `nursery`; processes that must be stopped in order go to `processes`."""
    binary = await engine_process.find_binary(engine)
    ports = Ports(*choose_ports(list(astuple(USUAL))))
    proxy_app = f"tcp://127.0.0.1:{ports.abci}"
    settings = daemon_process.Settings(
        home=home / "daemon",
        abci=proxy_app,
        stream=f"localhost:{ports.stream}",
        api=f"localhost:{ports.api}",
        node=f"http://127.0.0.1:{ports.rpc}",
    )
    validator = ValidatorHome(home / "validator", proxy_app, ports.rpc, ports.p2p)
    await engine_home.prepare(binary, validator)
    daemon = await daemon_process.start_daemon(nursery, settings)
    processes.append(daemon)
    node = await engine_process.start_engine(nursery, binary, validator)
    processes.append(node)
    await node.ready()
    print(welcome(binary, daemon, validator, home), flush=True)
    stream = await connect_websocket_url(nursery, daemon.stream)
    for process in processes:
        nursery.start_soon(demo.in_flight.guard, process)
    nursery.start_soon(receive, stream, demo.show)
    nursery.start_soon(demo.send, daemon)


def welcome(
    binary: Path, daemon: RunningDaemon, validator: ValidatorHome, home: Path
) -> str:
    rpc = f"http://localhost:{validator.rpc_port}"
    return f"""
A chain with one validator is running on this machine. See it live in a browser:

  {daemon.api}/#demo

  engine   {binary}, RPC {rpc}
  daemon   {daemon.log}
  home     {home} (removed at the end)

Try it by hand:
  websocat {daemon.stream}
  curl {daemon.api}/
  curl {daemon.api}/api/v1/transactions/TRANSACTION_ID
  curl {daemon.api}/api/v1/blocks/2
  curl {rpc}/status

Press Ctrl-C to stop it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.demo", description="See a chain's events arrive."
    )
    parser.add_argument(
        "--engine",
        default=os.environ.get("ENGINE") or build.DEFAULT,
        help="a name from `python -m scripts.engines.build --list`, or a binary (default: $ENGINE)",
    )
    parser.add_argument("--count", type=int, help="stop after this many events")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds between posts"
    )
    options = parser.parse_args(arguments)
    status = 0
    try:
        trio.run(run, options.engine, options.count, options.pause)
    except* EXPECTED as group:
        for error in group.exceptions:
            print(f"demo: {error}", file=sys.stderr)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
