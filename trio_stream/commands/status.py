"""`trio-stream status`: how a daemon on this machine is doing, in ten lines.

The daemon is found by its data directory and asked at its HTTP server, where the configuration says
that it is. Status 0: it is ready. 1: it is not, or does not run, or does not answer. 2: a setting
cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final

from trio_stream.commands.data import failed
from trio_stream.commands.flags import add_settings, settings_of
from trio_stream.commands.token_file import add_token_file, read_token
from trio_stream.config import Config, ConfigError
from trio_stream.log.file import FILE_NAME, holder_of

PATIENCE: Final = 10.0
"""Seconds for each answer of the daemon, which may wait 5 s for its disk."""
LONGEST: Final = 1 << 20
"""Bytes of an answer that are read."""
_HERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class StatusError(Exception):
    """The daemon cannot be asked; the text says why."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "status",
        help="say how the daemon is doing",
        description="Say how a daemon on this machine is doing: its chain, engine, subscribers"
        " and disk. Give the flags that `run` was started with. The exit status is 0 if it is"
        " ready.",
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
        is_ready, lines = _state(config, process, token)
    except StatusError as error:
        return failed(f"the daemon (process {process}) does not answer: {error}")
    for name, text in lines:
        print(f"{name:12} {text}")
    return 0 if is_ready else 1


def _state(
    config: Config, process: int, token: str
) -> tuple[bool, list[tuple[str, str]]]:
    """Whether the daemon is ready, and what is to be printed."""
    _, ready = _get(config, "/health/ready", token)
    status, state = _get(config, "/api/v1/status", token)
    lines = [("process", str(process)), ("ready", _readiness(ready))]
    if status == 200:
        try:
            lines += _said(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StatusError(f"{config.api} is not a node's HTTP server") from error
    else:
        why = str(state.get("message", f"status {status}"))
        if status == 401:
            why = "the token is not valid" if token else "a token is needed"
            why += " (--token-file FILE)"
        lines.append(("state", f"not known: {why}"))
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
    height = str(state["height"])
    if state["block_time"]:
        height += f", block of {state['block_time']}{_age(state['block_time'])}"
    yield "height", height
    yield "engine", _engine(state["engine"])
    present = [f"{count} {door}" for door, count in state["subscribers"].items()]
    yield "subscribers", ", ".join(present)


def _age(written: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(written)).total_seconds()
    return f" ({seconds:,.0f} s ago)" if seconds >= 0 else ""


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


def _get(config: Config, target: str, token: str) -> tuple[int, dict[str, Any]]:
    """The status and the JSON that the daemon answers with."""
    if not config.api.port:
        raise StatusError("which port it listens on is not known (api has port 0)")
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with closing(_connection(config)) as connection:
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            found = json.loads(answer.read(LONGEST))
    except (OSError, HTTPException, ValueError) as error:
        raise StatusError(f"{config.api}: {error or type(error).__name__}") from error
    if not isinstance(found, dict):
        raise StatusError(f"{config.api} is not a node's HTTP server")
    return answer.status, found


def _connection(config: Config) -> HTTPConnection:
    host = _HERE.get(config.api.host, config.api.host)
    if not config.tls_certificate:
        return HTTPConnection(host, config.api.port, timeout=PATIENCE)
    # Whoever has the node's own certificate is the node, whatever name was used to call it.
    context = ssl.create_default_context(cafile=config.tls_certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    if config.tls_client_ca and config.tls_key:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    return HTTPSConnection(host, config.api.port, timeout=PATIENCE, context=context)
