"""A running engine and its RPC, as the programs around the daemon use them."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import trio

from scripts import child, http_client
from scripts.engines import build as engines
from scripts.engines.home import ValidatorHome

NOT_THERE = (
    OSError,
    trio.BrokenResourceError,
    trio.TooSlowError,
    h11.RemoteProtocolError,
)
"""What a call raises if the engine is away, starting or shutting down."""

CALL_SECONDS = 15.0
"""An engine drops the answer to a call after 11 s; one that is stuck never answers."""


GRACE = 5.0
"""An engine exits within 0.1 s of SIGTERM, or never: from 0.38 on, one that lost its application in
the middle of a block may wait for it until SIGKILL, which does it no harm."""


class RpcError(Exception):
    """The engine answered with an error; the method's own text is in `data`."""

    def __init__(self, code: int, message: str, data: str) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.message} ({self.code}): {self.data}"


class Rpc:
    """JSON-RPC to an engine, one connection per call."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """The result; raises RpcError, or one of NOT_THERE."""
        request = {
            "jsonrpc": "2.0",
            # 0.31 and 0.32 take a call with an empty id for one that wants no answer.
            "id": f"call-{next(self._ids)}",
            "method": method,
            "params": params,
        }
        with trio.fail_after(CALL_SECONDS):
            answer = await http_client.fetch(
                self.host, self.port, "POST", "/", json.dumps(request).encode()
            )
        document = answer.json()
        if document.get("error"):
            error = document["error"]
            raise RpcError(error["code"], error["message"], error.get("data", ""))
        result: dict[str, Any] = document["result"]
        return result

    async def broadcast(self, mode: str, raw: bytes) -> dict[str, Any]:
        return await self.call(
            f"broadcast_tx_{mode}", tx=base64.b64encode(raw).decode()
        )

    async def height(self) -> int:
        """The engine's last block."""
        status = await self.call("status")
        return int(status["sync_info"]["latest_block_height"])

    async def application(self) -> tuple[int, bytes]:
        """The application's current height and app hash."""
        response = (await self.call("abci_info"))["response"]
        app_hash = base64.b64decode(response.get("last_block_app_hash") or "")
        return int(response.get("last_block_height") or 0), app_hash

    async def transactions(self, height: int) -> list[bytes]:
        """All transactions of a block, refused ones included."""
        block = (await self.call("block", height=str(height)))["block"]
        return [base64.b64decode(tx) for tx in block["data"]["txs"] or []]

    async def codes(self, height: int) -> list[int]:
        """The result code of each transaction of a block."""
        answer = await self.call("block_results", height=str(height))
        # 0.31 and 0.32 have them one level down, and under two different names.
        results = answer.get("results", answer)
        for name in ("txs_results", "deliver_tx", "DeliverTx"):
            if name in results:
                # Up to 0.33 a plain success may be null, and 0.31 leaves zeros out.
                return [
                    int((each or {}).get("code", 0)) for each in results[name] or []
                ]
        return []

    async def validator_updates(self, height: int) -> list[tuple[bytes, int]]:
        """The changes of validators that the application returned in a block: key and power."""
        answer = await self.call("block_results", height=str(height))
        # 0.31 and 0.32 have them two levels down, and under two different names.
        results = answer.get("results", answer)
        for name in ("EndBlock", "end_block"):
            results = results.get(name, results)
        return [
            (base64.b64decode(_key(each)), int(each.get("power", 0)))
            for each in results.get("validator_updates") or []
        ]


def _key(update: dict[str, Any]) -> str:
    """The key of an update, each form of which belongs to other releases."""
    if "pub_key_bytes" in update:
        return str(update["pub_key_bytes"])
    key = update["pub_key"]
    return str(key["data"] if "data" in key else key["Sum"]["value"]["ed25519"])


class RunningEngine(child.Child):
    """An engine's process with its RPC."""

    def __init__(self, process: child.Child, rpc: Rpc) -> None:
        super().__init__(process.name, process.process, process.log, process.grace)
        self.rpc = rpc

    async def ready(self, seconds: float = 240) -> None:
        """Wait until its RPC answers, which is after the handshake with the application.

        Raises ChildEnded if it exits before that.
        """

        async def answers() -> bool | None:
            try:
                await self.rpc.call("status")
            except NOT_THERE:
                return None
            return True

        async def up() -> bool:
            return await child.poll(
                answers, seconds=seconds, what=f"RPC of {self.name}"
            )

        await child.while_alive(self, up)


class NoEngine(Exception):
    """The requested engine is missing and could not be built."""


async def find_binary(choice: str) -> Path:
    """The binary at that path, or that of the named engine, which is built if need be.

    Raises NoEngine; the build has printed its output by then.
    """
    engine = engines.ENGINES.get(choice)
    if engine is None:
        found = shutil.which(choice)
        if found is None:
            names = ", ".join(engines.ENGINES)
            raise NoEngine(f"{choice!r} is neither a program nor one of {names}")
        return Path(found).absolute()
    if not engine.is_there():
        build = [sys.executable, "-m", "scripts.engines.build", engine.name]
        ran = await trio.run_process(build, check=False, cwd=child.ROOT)
        if ran.returncode != 0:
            raise NoEngine(
                f"{engine.name} could not be built; to use another binary set"
                " ENGINE=/path/to/cometbft"
            )
    return engine.binary


async def start_engine(
    nursery: trio.Nursery,
    binary: Path,
    validator: ValidatorHome,
    prefix: Sequence[str] = (),
) -> RunningEngine:
    """Run `binary` in its prepared home as a task of `nursery`; the log is beside the home.

    `prefix` is a program that runs it, with that program's arguments.
    """
    process = await child.start(
        nursery,
        binary.name,
        [*prefix, binary, "node", "--home", validator.home],
        log=validator.log,
        grace=GRACE,
    )
    return RunningEngine(process, Rpc(validator.rpc_port, validator.host))


@asynccontextmanager
async def run_engine(
    binary: Path, validator: ValidatorHome
) -> AsyncIterator[RunningEngine]:
    """An engine that is up while the block runs, and has exited after it."""
    async with child.open_nursery() as nursery:
        engine = await start_engine(nursery, binary, validator)
        await engine.ready()
        yield engine
