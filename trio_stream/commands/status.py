"""`trio-stream status`: how a node or a follower on this machine is doing, in ten lines.

The daemon is found by its data directory and asked at its HTTP server, where the configuration says
that it is. Status 0: it is ready. 1: it is not, or does not run, or does not answer. 2: a setting
cannot be used.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trio_stream.commands.data import failed
from trio_stream.commands.flags import add_settings, settings_of
from trio_stream.commands.node_api import NodeApi, NodeSilent
from trio_stream.commands.token_file import add_token_file, read_token
from trio_stream.config import Config, ConfigError
from trio_stream.log.file import FILE_NAME, holder_of


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "status",
        help="say how the daemon is doing",
        description="Say how a daemon on this machine is doing: its chain, engine, subscribers"
        " and disk. Give the flags that `run` was started with; of a follower, its --home and"
        " --api. The exit status is 0 if it is ready.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    add_token_file(parser)
    add_settings(parser)


def run(parsed: argparse.Namespace) -> int:
    """Print the state; returns the exit status."""
    try:
        config = settings_of(parsed).config
        token = read_token(parsed.token_file) if parsed.token_file else ""
        process = holder_of(config.home)
    except (ConfigError, ValueError) as error:
        return failed(error, 2)
    except OSError as error:
        return failed(f"cannot look at the data directory {config.home}: {error}")
    if process is None:
        return failed(f"no daemon runs on the data directory {config.home}")
    try:
        is_ready, lines = _state(config, process, NodeApi(config, token))
    except NodeSilent as error:
        return failed(f"the daemon (process {process}) does not answer: {error}")
    for name, text in lines:
        print(f"{name:12} {text}")
    return 0 if is_ready else 1


def _state(
    config: Config, process: int, node: NodeApi
) -> tuple[bool, list[tuple[str, str]]]:
    """Whether the daemon is ready, and what is to be printed."""
    _, ready = node.get("/health/ready")
    status, state = node.get("/api/v1/status")
    if not isinstance(ready, dict):
        raise node.unlike()
    lines = [("process", str(process)), ("ready", _readiness(ready))]
    if status == 200:
        try:
            lines += _said(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise node.unlike() from error
    else:
        lines.append(("state", f"not known: {node.why(status, state)}"))
    return bool(ready.get("ready")), [*lines, *_files(config.home)]


def _readiness(ready: dict[str, Any]) -> str:
    if ready.get("ready"):
        return "yes"
    wrong = [
        f"{name}: {text}"
        for name, text in ready.items()
        if name != "ready" and text != "ok"
    ]
    return f"no ({'; '.join(wrong)})"


def _said(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the daemon says of itself."""
    yield "version", str(state["version"])
    yield "chain", str(state["chain_id"] or "none yet")
    height = str(state["height"] or 0)
    if state["block_time"]:
        height += f", block of {state['block_time']}{_age(state['block_time'])}"
    yield "height", height
    if state.get("kind") == "follower":
        yield from _followed(state)
    else:
        yield "engine", _engine(state["engine"])
    present = [f"{count} {door}" for door, count in state["subscribers"].items()]
    yield "subscribers", ", ".join(present)


def _age(written: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(written)).total_seconds()
    return f" ({seconds:,.0f} s ago)" if seconds >= 0 else ""


def _followed(state: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a follower says of its chain and of the nodes."""
    yield "behind", f"{state['behind']['blocks']} blocks"
    if state["gaps"]:
        yield "gaps", f"{state['gaps']}, of {state['missing_blocks']} blocks"
    if state["seeking"]["trouble"]:
        yield "trouble", f"block {state['seeking']['height']}: {state['seeking']['trouble']}"
    for node in state["nodes"]:
        parts = [node["node"], node["state"]]
        parts += [f"height {node['height']}"] if node["height"] else []
        parts += [node["trouble"]] if node["trouble"] else []
        yield "node", ", ".join(parts)


def _engine(engine: dict[str, Any]) -> str:
    parts = ["connected" if engine["connected"] else "not connected"]
    if engine["version"]:
        parts.append(f"version {engine['version']}")
    if engine["height"] is None:
        parts.append("its RPC does not answer")
    else:
        parts.append(f"height {engine['height']}")
        parts += ["catching up"] if engine["catching_up"] else []
    return ", ".join(parts)


def _files(home: Path) -> Iterator[tuple[str, str]]:
    """The log and its disk, as far as this user may see them."""
    try:
        log = home / FILE_NAME
        ahead = log.with_name(f"{FILE_NAME}-wal")
        sizes = [_mebibytes(os.stat(each).st_size) for each in (log, ahead)]
        disk = os.statvfs(home)
    except OSError as error:
        yield "log", f"not seen: {error}"
    else:
        yield "log", f"{log}, {sizes[0]}; write-ahead log {sizes[1]}"
        yield "disk", f"{_mebibytes(disk.f_bavail * disk.f_frsize)} free"


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"
