"""How long a node takes to join: by state sync, and by block sync on the same machine.

    python -m scripts.bench.statesync [--engine cometbft-0.38.26] [--transactions 200000]
                                      [--folder DIR] [--make]

A single validator makes a chain and a snapshot of it; then nodes without a vote join with empty
homes, one in each way. The clock runs from the start of the newcomer's engine, which looks for
snapshots for five seconds, to the moment at which its application has the tip. With --folder the
chain is kept, and used again; with --make nothing else is done.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from scripts import child
from scripts.bench import load, report
from scripts.bench.chain import at_rest
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.engines import build
from scripts.engines import home as engine_home
from scripts.engines import network, process, state_sync
from scripts.engines.home import ValidatorHome
from scripts.engines.process import NOT_THERE, Rpc, RpcError, RunningEngine
from scripts.signing import Key, create, encode, transfer

BLOCK_BYTES: Final = 4 << 20
INTERVAL: Final = 10
"""Blocks from one snapshot to the next."""
SIGNERS: Final = 500
WAVE: Final = 20_000
"""Transactions that are made and committed together."""
PATIENCE: Final = 900.0
WAYS: Final = ("state sync", "block sync")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.statesync")
    parser.add_argument("--engine", default=os.environ.get("ENGINE") or build.DEFAULT)
    parser.add_argument("--transactions", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="where the chain is kept")
    parser.add_argument("--make", action="store_true", help="make the chain only")
    options = parser.parse_args(arguments)
    print(report.machine())
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        place: Path = options.folder or Path(folder)
        number = options.transactions
        print(trio.run(measure, options.engine, place, number, options.make))
    return 0


async def measure(name: str, place: Path, number: int, only_make: bool) -> str:
    """The table."""
    binary = await process.find_binary(name)
    place.mkdir(exist_ok=True)
    member = _home(place / "member")
    async with _node(member, binary, INTERVAL) as (daemon, engine):
        await _make(daemon, engine.rpc, number)
        tip = await engine.rpc.height()
        if only_make:
            return f"{number:,} transactions in {tip:,} blocks"
        rows, took = [], {}
        for way in WAYS:
            settings = await state_sync.trusting(engine.rpc)
            newcomer = _home(place / "newcomer", settings if "state" in way else {})
            address = f"127.0.0.1:{member.p2p_port}"
            await network.join(binary, newcomer, [member], [address])
            took[way] = await _joined(newcomer, binary, await engine.rpc.application())
            print(f"{way}: {took[way]:.1f} s", flush=True)
            shutil.rmtree(place / "newcomer")
        for way, seconds in took.items():
            share = report.ratio(seconds, took["block sync"])
            rows.append([way, f"{seconds:.1f}", share])
    title = f"A node joins a chain of {number:,} transactions in {tip:,} blocks, {name}"
    return report.table(title, ["", "s to the tip", "of block sync"], rows)


def _home(
    place: Path, more: Mapping[engine_home.Key, engine_home.Value] | None = None
) -> ValidatorHome:
    rpc, p2p, abci = engine_home.free_ports(3)
    settings: dict[engine_home.Key, engine_home.Value] = {
        ("", "log_level"): "error",
        ("mempool", "size"): 2 * WAVE,
        ("mempool", "cache_size"): 2 * WAVE,
        ("mempool", "recheck"): False,
        ("p2p", "allow_duplicate_ip"): True,
        ("p2p", "send_rate"): state_sync.RATE,
        ("p2p", "recv_rate"): state_sync.RATE,
        **(more or {}),
    }
    return ValidatorHome(
        place / "engine", f"tcp://127.0.0.1:{abci}", rpc, p2p, settings
    )


@asynccontextmanager
async def _node(
    home: ValidatorHome, binary: Path, interval: int = 0
) -> AsyncIterator[tuple[RunningDaemon, RunningEngine]]:
    home.home.parent.mkdir(exist_ok=True)
    await engine_home.prepare(binary, home)
    path = home.home / "config" / "genesis.json"
    genesis = json.loads(path.read_text())
    genesis["consensus_params"]["block"]["max_bytes"] = str(BLOCK_BYTES)
    path.write_text(json.dumps(genesis))
    settings = Settings(
        home=home.home.parent / "daemon",
        abci=home.proxy_app,
        node=f"http://127.0.0.1:{home.rpc_port}",
        environment={"TRIO_STREAM_SNAPSHOT_INTERVAL": str(interval)},
    )
    async with run_daemon(settings) as daemon, process.run_engine(binary, home) as run:
        yield daemon, run


async def _make(daemon: RunningDaemon, rpc: Rpc, number: int) -> None:
    """Have the chain hold so many transactions, and a snapshot that has nearly all of them."""
    keys = [Key.from_seed(n.to_bytes(32, "big")) for n in range(SIGNERS)]
    await at_rest(rpc)
    if await rpc.height() < INTERVAL:
        for start in range(0, number, WAVE):
            await _commit(rpc, _wave(keys, start, min(WAVE, number - start)))
    snapshots = daemon.log.parent / "daemon" / "snapshots"

    async def there() -> bool | None:
        return await trio.Path(snapshots, str(wanted)).exists() or None

    wanted = await rpc.height() // INTERVAL * INTERVAL
    if not await there():
        wanted += INTERVAL
    # The light client needs two blocks more than the snapshot has.
    while (height := await rpc.height()) < wanted + 2:
        raw = encode(create(keys[0], data={"after": height}))
        assert (await daemon.post(raw, "commit")).status == 202
        await at_rest(rpc)
    await child.poll(there, seconds=PATIENCE, what=f"snapshot of {wanted}")


def _wave(keys: Sequence[Key], start: int, count: int) -> list[bytes]:
    """Half of them CREATEs, and TRANSFERs of what they make."""
    raws: list[bytes] = []
    given: list[bytes] = []
    for n in range(start, start + (count + 1) // 2):
        owner, other = keys[n % SIGNERS], keys[(n + 1) % SIGNERS]
        data = {"bicycle": {"serial": str(n), "maker": "a maker of bicycles"}}
        made = create(owner, data=data, metadata={"n": n})
        raws.append(encode(made))
        given.append(encode(transfer(made, owner, recipients=[(other, 1)])))
    return (raws + given)[:count]


async def _commit(rpc: Rpc, raws: Sequence[bytes]) -> None:
    half = (len(raws) + 1) // 2
    for part in raws[:half], raws[half:]:
        requests = []
        for raw in part:
            call = {
                "jsonrpc": "2.0",
                "id": "1",
                "method": "broadcast_tx_async",
                "params": {"tx": base64.b64encode(raw).decode()},
            }
            requests.append(load.post("/", json.dumps(call).encode()))
        await load.post_all(rpc.port, requests, b'"code":0')

        async def is_empty() -> bool | None:
            found = await rpc.call("num_unconfirmed_txs")
            return found["n_txs"] == "0" or None

        await child.poll(is_empty, seconds=PATIENCE, what="end of the wave")
        await at_rest(rpc)


async def _joined(home: ValidatorHome, binary: Path, tip: tuple[int, bytes]) -> float:
    """Seconds from the start of the engine to the tip."""
    settings = Settings(
        home=home.home.parent / "daemon",
        abci=home.proxy_app,
        node=f"http://127.0.0.1:{home.rpc_port}",
    )
    rpc = Rpc(home.rpc_port)
    async with run_daemon(settings), child.open_nursery() as nursery:
        began = trio.current_time()
        await process.start_engine(nursery, binary, home)

        async def there() -> bool | None:
            try:
                return (await rpc.application())[0] >= tip[0] or None
            except (*NOT_THERE, RpcError):
                return None

        await child.poll(there, seconds=PATIENCE, what="the tip")
        seconds = trio.current_time() - began
        assert await rpc.application() == tip
        nursery.cancel_scope.cancel()
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
