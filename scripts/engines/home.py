"""The home of one validator: made by the engine's own `init`, then set up for one machine.

The keys of config.toml differ from release to release, and its comments are the manual. So lines
are changed in place, a key that a release lacks is left out if that does no harm, and everything
else stays as the engine wrote it.
"""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

Key = tuple[str, str]
"""Section and name; the section of lines above the first header is empty."""

Value = str | bool | int


class BadHome(Exception):
    """The engine could not make its home, or made one that we can't set up."""


@dataclass(frozen=True, slots=True)
class ValidatorHome:
    """A home, and the addresses of the validator that lives in it."""

    home: Path
    proxy_app: str
    """Where the engine finds the application: tcp://host:port, unix://path, or `kvstore`."""
    rpc_port: int
    p2p_port: int
    settings: Mapping[Key, Value] = field(default_factory=dict)
    """More lines of config.toml to change; each must exist."""
    host: str = "127.0.0.1"
    """Where its RPC and its peers' connections are accepted."""

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"


TIMEOUT_COMMIT = ("consensus", "timeout_commit")
# Deprecated in 1.0, where timeout_commit = "0s" says the same: set if it still exists.
SKIP_TIMEOUT_COMMIT = ("consensus", "skip_timeout_commit")

# Only keys that every release has. A new block as soon as there is a transaction, and no others, is
# what BigchainDB asks for. A single validator has no peers to find and nothing to wait for.
ALWAYS: dict[Key, Value] = {
    ("p2p", "pex"): False,
    ("p2p", "addr_book_strict"): False,
    ("consensus", "create_empty_blocks"): False,
}


async def prepare(binary: Path, validator: ValidatorHome) -> None:
    """Make the home, or keep the keys and the chain of an existing one; then set it up."""
    ran = await trio.run_process(
        [str(binary), "init", "--home", str(validator.home)],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).decode(errors="replace").strip()
        raise BadHome(f"{binary} init failed: {said}")
    path = validator.home / "config" / "config.toml"
    changed = configure(path.read_text(), validator)
    path.write_text(changed)


def configure(text: str, validator: ValidatorHome) -> str:
    """config.toml with this validator's addresses and settings."""
    must: dict[Key, Value] = {
        **ALWAYS,
        ("", "proxy_app"): validator.proxy_app,
        ("rpc", "laddr"): f"tcp://{validator.host}:{validator.rpc_port}",
        ("p2p", "laddr"): f"tcp://{validator.host}:{validator.p2p_port}",
        **validator.settings,
    }
    waits = must.setdefault(TIMEOUT_COMMIT, "0s") != "0s"
    edited, found = edit(text, {SKIP_TIMEOUT_COMMIT: not waits, **must})
    missing = must.keys() - found
    if missing:
        names = ", ".join(".".join(filter(None, key)) for key in sorted(missing))
        raise BadHome(f"{validator.home}/config/config.toml has no {names}")
    return edited


def edit(text: str, values: Mapping[Key, Value]) -> tuple[str, set[Key]]:
    """`text` with the lines of those keys replaced, and the keys that were found."""
    section = ""
    found: set[Key] = set()
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        if header := re.match(r"\s*\[\s*([\w.]+)\s*\]", line):
            section = header[1]
        elif assignment := re.match(r"\s*([\w-]+)\s*=", line):
            key = (section, assignment[1])
            if key in values:
                # Strings, booleans and numbers are written the same in JSON and TOML.
                lines[i] = f"{assignment[1]} = {json.dumps(values[key])}\n"
                found.add(key)
    return "".join(lines), found


def free_ports(count: int) -> list[int]:
    """Free ports of 127.0.0.1, below those that Linux hands out.

    Above 32768 Linux gives ports to outgoing connections: an engine and a daemon that dial each
    other would now and then find their own port taken by one.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it a port would count as taken while recent connections linger.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
