"""Block sync with real engines, for `bench.blocksync`.

A single validator makes the chain: it gets transactions faster than it may put them into blocks, so
that nearly all blocks are full. Then it rests, and a node without a vote joins with an empty home.
The clock runs from the first block that the joining engine reports to the last but one, since the
last one comes by consensus.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import trio

from scripts import child
from scripts.bench import load, report
from scripts.bench.chain import at_rest, cpu_seconds
from scripts.daemon_process import RunningDaemon, Settings, run_daemon
from scripts.engines import home as engine_home
from scripts.engines import network
from scripts.engines import process as engine_process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import Rpc, RunningEngine
from scripts.signing import Key, create, encode, transfer

BLOCK_BYTES: Final = 2**20
PAUSE: Final = "2s"
"""Between blocks, in which more transactions come than one can hold."""
PATIENCE: Final = 120.0
SIGNERS: Final = 500
EVERY: Final = 0.02
"""Seconds between two looks at how far the joining node is."""


def transactions(number: int, wave: int) -> list[bytes]:
    """Signed ones: so many CREATEs, then as many TRANSFERs of what they made, and so on."""
    keys = [Key.from_seed(n.to_bytes(32, "big")) for n in range(SIGNERS)]
    raws: list[bytes] = []
    for start in count(0, wave):
        made = []
        for n in range(start, start + wave):
            data = {"bicycle": {"serial": str(n), "maker": "a maker of bicycles"}}
            made.append(create(keys[n % SIGNERS], data=data, metadata={"n": n}))
        raws += map(encode, made)
        for n, each in enumerate(made, start):
            recipients = [(keys[(n + 1) % SIGNERS], 1)]
            given = transfer(each, keys[n % SIGNERS], recipients=recipients)
            raws.append(encode(given))
        if len(raws) >= number:
            return raws[:number]
    raise AssertionError("not reached")


@dataclass(frozen=True, slots=True)
class Joined:
    """How a node came to the tip."""

    rate: float
    """Transactions per second."""
    blocks: int
    per_block: float
    cpu: dict[str, float]
    """Microseconds that each of its processes used for one transaction."""


async def measure(name: str, number: int) -> str:
    """The table: our node, and one whose application is the engine's own."""
    binary = await engine_process.find_binary(name)
    raws = transactions(number, number // 2)
    size = sum(map(len, raws)) // number
    pairs = [(b"%d=" % n).ljust(size, b"x") for n in range(number)]
    with tempfile.TemporaryDirectory(prefix="trio_stream_bench_") as folder:
        limit = await _join(binary, Path(folder, "kvstore"), pairs, ours=False)
        ours = await _join(binary, Path(folder, "ours"), raws, ours=True)
    rows = [
        [
            what,
            report.number(each.rate),
            report.ratio(each.rate, limit.rate),
            f"{each.blocks} of {each.per_block:,.0f}",
            *[report.number(each.cpu.get(one, 0.0)) for one in ("engine", "daemon")],
        ]
        for what, each in (("our node", ours), ("the key-value store", limit))
    ]
    head = ["", "tx/s", "of the store's", "blocks", "engine us/tx", "daemon us/tx"]
    title = f"Block sync of {number:,} transactions of {size} bytes, {name}"
    return report.table(title, head, rows)


async def _join(
    binary: Path, place: Path, raws: Sequence[bytes], *, ours: bool
) -> Joined:
    place.mkdir()
    first, second = await _homes(binary, place, ours=ours, mempool=len(raws) + 1)
    async with _node(binary, first, ours=ours) as peer:
        half = len(raws) // 2
        for part in raws[:half], raws[half:]:
            await _fill(peer.engine.rpc, part)
        counts = await _counts(peer.engine.rpc)
        async with _node(binary, second, ours=ours) as joining:
            return await _watch(joining, counts)


async def _homes(
    binary: Path, place: Path, *, ours: bool, mempool: int
) -> list[ValidatorHome]:
    """Those of a validator, and of a node without a vote that knows it."""
    homes: list[ValidatorHome] = []
    for name in "first", "second":
        rpc, p2p, abci = engine_home.free_ports(3)
        settings: dict[engine_home.Key, engine_home.Value] = {
            ("", "log_level"): "error",
            ("consensus", "timeout_commit"): PAUSE,
            ("mempool", "size"): mempool,
            ("mempool", "cache_size"): mempool,
            ("mempool", "recheck"): False,
        }
        app = f"tcp://127.0.0.1:{abci}" if ours else "kvstore"
        homes.append(ValidatorHome(place / name, app, rpc, p2p, settings))
    first, second = homes
    await engine_home.prepare(binary, first)
    path = first.home / "config" / "genesis.json"
    genesis = json.loads(path.read_text())
    genesis["consensus_params"]["block"]["max_bytes"] = str(BLOCK_BYTES)
    path.write_text(json.dumps(genesis))
    await network.join(binary, second, [first], [f"127.0.0.1:{first.p2p_port}"])
    return homes


class _Node(NamedTuple):
    engine: RunningEngine
    daemon: RunningDaemon | None


@asynccontextmanager
async def _node(
    binary: Path, home: ValidatorHome, *, ours: bool
) -> AsyncIterator[_Node]:
    async with AsyncExitStack() as stack:
        daemon = None
        if ours:
            settings = Settings(
                home=home.home.parent / f"{home.home.name}_daemon",
                abci=home.proxy_app,
                node=f"http://127.0.0.1:{home.rpc_port}",
            )
            daemon = await stack.enter_async_context(run_daemon(settings))
        run_engine = engine_process.run_engine(binary, home)
        yield _Node(await stack.enter_async_context(run_engine), daemon)


async def _fill(rpc: Rpc, raws: Sequence[bytes]) -> None:
    """Have all of these committed, in full blocks as far as possible."""
    requests = []
    for raw in raws:
        call = {
            "jsonrpc": "2.0",
            "id": "1",
            "method": "broadcast_tx_async",
            "params": {"tx": base64.b64encode(raw).decode()},
        }
        requests.append(load.post("/", json.dumps(call).encode()))
    await load.post_all(rpc.port, requests, b'"code":0')

    async def is_empty() -> bool | None:
        return (await rpc.call("num_unconfirmed_txs"))["n_txs"] == "0" or None

    await child.poll(is_empty, seconds=PATIENCE, what="end of the chain")
    await at_rest(rpc)


async def _counts(rpc: Rpc) -> dict[int, int]:
    """How many transactions the blocks up to each height hold."""
    counts, total = {}, 0
    for height in range(1, await rpc.height() + 1):
        # The newest twenty at most, which are fewer than asked for.
        found = await rpc.call(
            "blockchain", minHeight=str(height), maxHeight=str(height)
        )
        total += int(found["block_metas"][0]["num_txs"])
        counts[height] = total
    return counts


async def _watch(node: _Node, counts: Mapping[int, int]) -> Joined:
    last = max(counts) - 1
    height = 0
    while not height:
        height = await node.engine.rpc.height()
    first, began = height, trio.current_time()
    cpu = _cpu(node)
    while height < last:
        await trio.sleep(EVERY)
        height = await node.engine.rpc.height()
    seconds = trio.current_time() - began
    number = counts[height] - counts[first]
    used = {name: 1e6 * (now - cpu[name]) / number for name, now in _cpu(node).items()}
    return Joined(number / seconds, height - first, number / (height - first), used)


def _cpu(node: _Node) -> dict[str, float]:
    processes = {"engine": node.engine, "daemon": node.daemon}
    return {name: cpu_seconds(each) for name, each in processes.items() if each}
