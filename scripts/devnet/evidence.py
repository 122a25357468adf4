"""What shows that nodes agree: the engine's blocks, the daemons' streams, and their logs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import trio

from scripts.chaos import Failed
from scripts.chaos_clients import KnownBlock
from scripts.engines.process import RunningEngine
from scripts.raw_stream import open_raw_stream

STREAMS = (
    "valid_transactions?detail=full",
    "valid_blocks?detail=position&empty_blocks=1",
    "refused_transactions?detail=position",
)
VIEWS = "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name"


async def blocks(engine: RunningEngine, tip: int) -> list[KnownBlock]:
    """All blocks of the chain, as the engine has them."""
    found = []
    for height in range(1, tip + 1):
        txs = await engine.rpc.transactions(height)
        codes = await engine.rpc.codes(height)
        transactions: list[Any] = [
            json.loads(raw) if code == 0 else None
            for raw, code in zip(txs, codes, strict=True)
        ]
        found.append(KnownBlock(height, transactions))
    return found


async def streams(addresses: Sequence[str]) -> str:
    """What all these servers stream from the beginning to the tip. Raises Failed if it differs."""
    said = []
    for name in STREAMS:
        found = {address: await _stream(address, name) for address in addresses}
        if len(set(found.values())) != 1:
            raise Failed(f"the streams {name} differ: {found}")
        count, digest = found[addresses[0]]
        said.append(f"{count:,} messages of {name.partition('?')[0]} ({digest[:8]})")
    return ", ".join(said)


async def _stream(address: str, name: str) -> tuple[int, str]:
    count, digest = 0, hashlib.sha256()
    target = f"/api/v1/streams/{name}&after=earliest&until=tip"
    async with open_raw_stream(address, target) as stream:
        with suppress(trio.EndOfChannel):
            while True:
                text = await stream.text()
                digest.update(hashlib.sha256(text).digest())
                count += 1
        assert stream.close_code == 1000, (address, name, stream.close_code)
    return count, digest.hexdigest()


def logs(paths: Sequence[Path]) -> str:
    """What all views of these logs hold. Raises Failed if it differs, or a file is damaged."""
    found = {path: _log(path) for path in paths}
    first = found[paths[0]]
    if any(each != first for each in found.values()):
        raise Failed(f"the logs differ: {found}")
    return ", ".join(f"{count:,} rows of {view}" for view, count, _ in first)


def _log(path: Path) -> list[tuple[str, int, str]]:
    found = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as log:
        if log.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise Failed(f"{path} is damaged")
        for (view,) in log.execute(VIEWS).fetchall():
            count, digest = 0, hashlib.sha256()
            # Ordered by all columns, since a view has no order of its own.
            columns = len(log.execute(f"SELECT * FROM {view} LIMIT 0").description)
            order = ", ".join(map(str, range(1, columns + 1)))
            for row in log.execute(f"SELECT * FROM {view} ORDER BY {order}"):
                digest.update(repr(row).encode())
                count += 1
            found.append((view, count, digest.hexdigest()))
    return found
