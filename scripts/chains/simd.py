"""A chain of the Cosmos SDK with one validator, made and run on this machine.

`make` writes its home: keys of a validator, Alice and Bob, and a genesis file that gives them
coins. `Simd` is that home with free ports; what is done by `simd`'s own command line is done so.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from scripts import child
from scripts.chains.build import Chain
from scripts.engines.home import BadHome, Key, Value, edit
from scripts.engines.process import GRACE, Rpc, RunningEngine

CHAIN_ID = "simd-1"
COINS = "1000000000000stake"
FEES = "10stake"
COMMAND_SECONDS = 120.0
"""A command takes one second; on a machine that does much else, some."""


@dataclass(frozen=True, slots=True)
class Simd:
    """The home of a chain, and where its RPC and its peers' connections are accepted."""

    chain: Chain
    home: Path
    rpc_port: int
    p2p_port: int
    settings: Mapping[Key, Value] = field(default_factory=dict)
    """More lines of config.toml."""
    application: Mapping[Key, Value] = field(default_factory=dict)
    """More lines of app.toml."""

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"

    @property
    def node(self) -> str:
        """The address of its RPC as its own command line wants it."""
        return f"tcp://127.0.0.1:{self.rpc_port}"

    async def command(self, *words: str) -> str:
        """What a command prints; raises BadHome if it fails."""
        command = [str(self.chain.binary), *words, "--home", str(self.home)]
        with trio.fail_after(COMMAND_SECONDS):
            ran = await trio.run_process(
                command, capture_stdout=True, capture_stderr=True, check=False
            )
        if ran.returncode != 0:
            said = (ran.stderr or ran.stdout).decode(errors="replace").strip()
            raise BadHome(f"simd {' '.join(words[:3])} failed: {said[-1000:]}")
        # Some versions print some answers to the other stream.
        return (ran.stdout or ran.stderr).decode()

    def configure(self) -> None:
        """Write ports and settings into its files; the chain must not run."""
        config: dict[Key, Value] = {
            ("rpc", "laddr"): f"tcp://127.0.0.1:{self.rpc_port}",
            ("rpc", "pprof_laddr"): "",
            ("p2p", "laddr"): f"tcp://127.0.0.1:{self.p2p_port}",
            ("p2p", "pex"): False,
            ("p2p", "addr_book_strict"): False,
            ("consensus", "timeout_commit"): "200ms",
            **self.settings,
        }
        self._write("config.toml", config)
        self._write(
            "app.toml", {("", "minimum-gas-prices"): "0stake", **self.application}
        )

    def _write(self, name: str, values: Mapping[Key, Value]) -> None:
        path = self.home / "config" / name
        text, found = edit(path.read_text(), values)
        if missing := values.keys() - found:
            raise BadHome(f"{path} has no {sorted(missing)}")
        path.write_text(text)

    async def start(self, nursery: trio.Nursery) -> RunningEngine:
        """Run it as a task of `nursery`."""
        self.configure()
        doors = ["--grpc.enable=false", "--api.enable=false"]
        if self.chain.line < (0, 50):
            doors.append("--grpc-web.enable=false")
        process = await child.start(
            nursery,
            self.chain.name,
            [self.chain.binary, "start", "--home", self.home, *doors],
            log=self.log,
            grace=GRACE,
        )
        return RunningEngine(process, Rpc(self.rpc_port))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RunningEngine]:
        """The chain, past a block that it made since it started, while the block runs."""
        async with child.open_nursery() as nursery:
            node = await self.start(nursery)
            await node.ready()
            await reached(node, await node.rpc.height() + 1)
            yield node

    async def address(self, name: str) -> str:
        shown = await self.command(
            *("keys", "show", name, "-a", "--keyring-backend", "test")
        )
        return shown.strip()

    async def send(self, recipient: str, amount: str, *, gas: int = 200_000) -> str:
        """Alice sends coins; the transaction's hash."""
        return await self._transaction(
            ["bank", "send", "alice", recipient, amount], gas
        )

    async def multi_send(self, recipients: Sequence[str], amount: str) -> str:
        """Alice sends coins to each of many; the transaction's hash."""
        words = ["bank", "multi-send", "alice", *recipients, amount]
        return await self._transaction(words, 50_000 + 50_000 * len(recipients))

    async def _transaction(self, words: Sequence[str], gas: int) -> str:
        said = await self.command(
            *("tx", *words, "--from", "alice", "--chain-id", CHAIN_ID),
            *("--keyring-backend", "test", "--node", self.node, "--gas", str(gas)),
            *("--fees", FEES, "--broadcast-mode", "sync", "--yes", "-o", "json"),
        )
        answer: dict[str, Any] = json.loads(said)
        if answer["code"] != 0:
            raise BadHome(f"simd tx {' '.join(words[:2])}: {answer['raw_log']}")
        return str(answer["txhash"])


async def make(simd: Simd) -> None:
    """Make its home."""
    keyring = ("--keyring-backend", "test")
    genesis = () if simd.chain.line < (0, 47) else ("genesis",)
    await simd.command("init", "test", "--chain-id", CHAIN_ID)
    for name in ("validator", "alice", "bob"):
        await simd.command("keys", "add", name, *keyring)
    for name in ("validator", "alice"):
        address = await simd.address(name)
        await simd.command(*genesis, "add-genesis-account", address, COINS)
    await simd.command(
        *(*genesis, "gentx", "validator", "500000000000stake"),
        *("--chain-id", CHAIN_ID, *keyring),
    )
    await simd.command(*genesis, "collect-gentxs")


def copy(made: Simd, simd: Simd) -> None:
    """A home that `make` made, for a chain of its own."""
    shutil.copytree(made.home, simd.home)


async def reached(node: RunningEngine, height: int, seconds: float = 180) -> int:
    """Wait until the chain is so high; its height."""

    async def there() -> int | None:
        try:
            now = await node.rpc.height()
        except trio.TooSlowError:
            # A machine that does much else.
            return None
        return now if now >= height else None

    return await child.while_alive(
        node,
        lambda: child.poll(there, seconds=seconds, what=f"block {height}"),
    )
