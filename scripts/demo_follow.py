"""Any chain followed, on this machine: `make demo-follow`.

A validator with its engine's own key-value store, a sender of sample transactions, `trio-stream
follow` and a subscriber are tasks of one nursery. The validator stands for a node of any chain,
which need not be ours: the follower only reads its RPC. Ctrl-C ends them in the order of the data
flow: sender, engine, follower; the subscriber gets all that was committed.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio
from trio_websocket import connect_websocket_url

from scripts import child
from scripts.daemon_process import RunningDaemon, start_daemon
from scripts.demo import PEOPLE, THINGS, USUAL
from scripts.engines import build
from scripts.engines import home as engine_home
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import RunningEngine
from scripts.follower_process import FollowerSettings
from scripts.in_flight import InFlight, choose_ports, receive

STREAM = "api/v1/streams/transactions"


class Demo:
    """The sender and the subscriber, with the transactions in flight by hash."""

    def __init__(self, in_flight: InFlight, pause: float) -> None:
        self.in_flight = in_flight
        self.pause = pause

    def show(self, message: dict[str, Any]) -> None:
        note = self.in_flight.came(message["tx_hash"], "sent")
        about = {name: message[name] for name in ("height", "index", "tx_hash", "code")}
        print(f"  message {json.dumps(about)}{note}")
        for event in message["events"]:
            attributes = (
                f"{each['key']}={each['value']}" for each in event["attributes"]
            )
            print(f"    event {event['type']}: {', '.join(attributes)}", flush=True)

    async def send(self, node: RunningEngine) -> None:
        """Write down who has what, one after the other."""
        with self.in_flight.sending:
            for number in itertools.count(1):
                thing = THINGS[number % len(THINGS)].removeprefix("a ")
                owner = list(PEOPLE)[number % len(PEOPLE)]
                await self.send_one(node, f"{thing}-{number}={owner}")

    async def send_one(self, node: RunningEngine, text: str) -> None:
        tx_hash = hashlib.sha256(text.encode()).hexdigest().upper()
        committed = self.in_flight.send(tx_hash)
        try:
            answer = await node.rpc.broadcast("sync", text.encode())
        except (*engine_process.NOT_THERE, engine_process.RpcError) as error:
            raise Refused(f"the engine took no transaction: {error}") from error
        if int(answer["code"]) != 0:
            raise Refused(f"the engine refused a transaction: {answer['log']}")
        print(f"sent      {text}", flush=True)
        await committed.wait()
        await trio.sleep(self.pause)


class Refused(Exception):
    """The engine did not accept a sample transaction."""


EXPECTED = (
    child.ChildEnded,
    engine_home.BadHome,
    engine_process.NoEngine,
    Refused,
    TimeoutError,
)


async def run(engine: str, count: int | None, pause: float) -> None:
    """Run the demo until Ctrl-C, or until so many messages have arrived."""
    in_flight = InFlight(count)
    demo = Demo(in_flight, pause)
    with tempfile.TemporaryDirectory(prefix="trio_stream-demo-") as home:
        async with child.open_nursery() as nursery:
            processes: list[child.Child] = []
            async with child.until_signal():
                await start(nursery, processes, demo, engine, Path(home))
                await in_flight.enough.wait()
            in_flight.sending.cancel()
            for process in processes:
                await process.stop()
    print(f"\n{len(in_flight.delays)} messages", end="")
    if in_flight.delays:
        delay = statistics.median(in_flight.delays) * 1000
        print(f", {delay:.0f} ms after they were sent (median)", end="")
    print("; the validator and the follower have stopped", flush=True)


async def start(
    nursery: trio.Nursery,
    processes: list[child.Child],
    demo: Demo,
    engine: str,
    home: Path,
) -> None:
    """Start everything in `nursery`; processes that must be stopped in order go to `processes`."""
    binary = await engine_process.find_binary(engine)
    usual = [USUAL.api, USUAL.stream, USUAL.rpc, USUAL.p2p]
    api, stream, rpc, p2p = choose_ports(usual)
    validator = ValidatorHome(home / "validator", "kvstore", rpc, p2p)
    await engine_home.prepare(binary, validator)
    node = await engine_process.start_engine(nursery, binary, validator)
    processes.append(node)
    await node.ready()
    settings = FollowerSettings(
        home=home / "follower",
        node=[f"http://127.0.0.1:{rpc}"],
        stream=f"localhost:{stream}",
        api=f"localhost:{api}",
    )
    follower = await start_daemon(nursery, settings)
    processes.append(follower)
    print(welcome(binary, node, follower, home), flush=True)
    client = await connect_websocket_url(nursery, address(follower))
    for process in processes:
        nursery.start_soon(demo.in_flight.guard, process)
    nursery.start_soon(receive, client, demo.show)
    nursery.start_soon(demo.send, node)


def address(follower: RunningDaemon) -> str:
    """Where all transactions are streamed, from the first one on."""
    server = follower.stream.partition("/api/")[0].rstrip("/")
    return f"{server}/{STREAM}?after=earliest"


def welcome(
    binary: Path, node: RunningEngine, follower: RunningDaemon, home: Path
) -> str:
    server = address(follower).partition("/api/")[0]
    return f"""
A chain with one validator is running on this machine, and is followed by its RPC alone:

  engine   {binary} with its own key-value store, RPC http://localhost:{node.rpc.port}
  follower {follower.log}
  live     {follower.api}/
  home     {home} (removed at the end)

Try it by hand:
  websocat '{server}/{STREAM}?after=earliest'
  websocat "{server}/{STREAM}?query=app.key='bicycle-5'"
  curl -N '{follower.api}/api/v1/streams/events?after=earliest'
  curl '{follower.api}/api/v1/events?stream=blocks&after=earliest&limit=3'
  curl 'http://localhost:{node.rpc.port}/broadcast_tx_sync?tx="name=value"'

Press Ctrl-C to stop it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.demo_follow", description="See a chain followed."
    )
    parser.add_argument(
        "--engine",
        default=os.environ.get("ENGINE") or build.DEFAULT,
        help="a name from `python -m scripts.engines.build --list`, or a binary (default: $ENGINE)",
    )
    parser.add_argument("--count", type=int, help="stop after this many messages")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two")
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
