"""Network namespaces for the nodes of a network, so that any of them can be cut off.

Each node has two links: one to the other nodes, one to the clients. A cut link loses everything
that is sent over it while both sides keep their sockets, as if a cable were pulled.

All of this lives in a namespace of its own, which `enter` makes: it needs no privileges where
Linux lets users make namespaces, touches nothing outside, and vanishes with the processes in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from functools import partial

import trio

_OURS = ["unshare", "--user", "--map-root-user", "--net"]
_INSIDE = "DEVNET_INSIDE"

_TRIAL = """
ip link add trial type bridge && ip link add one type veth peer name two &&
unshare --net true
"""


class Link(Enum):
    """What a node's link leads to."""

    PEERS = 0
    CLIENTS = 1


def is_permitted() -> bool:
    """Whether namespaces, bridges and virtual links can be made here."""
    try:
        trial = [*_OURS, "sh", "-c", _TRIAL]
        return subprocess.run(trial, capture_output=True).returncode == 0
    except OSError:
        return False


def enter(module: str, arguments: Sequence[str]) -> None:
    """Start this program again, in a namespace of its own; returns if it is there already."""
    if os.environ.get(_INSIDE):
        return
    os.environ[_INSIDE] = "1"
    command = [*_OURS, sys.executable, "-m", module, *arguments]
    os.execvp(command[0], command)


class Isolation:
    """The namespaces of the nodes, and their links."""

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}

    async def open(self, nursery: trio.Nursery, numbers: Sequence[int]) -> None:
        """Make everything for these nodes; it lasts as long as `nursery`."""
        await _ip("link set lo up")
        for link in Link:
            await _ip(f"link add {_bridge(link)} type bridge")
            await _ip(f"link set {_bridge(link)} up")
        await _ip(f"addr add 10.77.{Link.CLIENTS.value}.254/24 dev clients")
        for number in numbers:
            self._holders[number] = await _hold(nursery)
            await self._connect(number)

    def prefix(self, number: int) -> list[str]:
        """What runs a program in a node's namespace."""
        return ["nsenter", f"--net=/proc/{self._holders[number]}/ns/net", "--"]

    def address(self, number: int, link: Link) -> str:
        """A node's address at the end of this link."""
        return f"10.77.{link.value}.{number}"

    async def cut(self, number: int, link: Link) -> None:
        """Lose everything that is sent over this link, in either direction."""
        await _ip(f"link set {_cable(number, link)} down")

    async def mend(self, number: int, link: Link) -> None:
        await _ip(f"link set {_cable(number, link)} up")

    async def _connect(self, number: int) -> None:
        inside = [*self.prefix(number), "ip"]
        await _run([*inside, "link", "set", "lo", "up"])
        for link in Link:
            cable, end = _cable(number, link), f"to-{_bridge(link)}"
            await _ip(
                f"link add {cable} type veth peer name {end} netns {self._holders[number]}"
            )
            await _ip(f"link set {cable} master {_bridge(link)}")
            await _ip(f"link set {cable} up")
            address = f"{self.address(number, link)}/24"
            await _run([*inside, "addr", "add", address, "dev", end])
            await _run([*inside, "link", "set", end, "up"])


def _bridge(link: Link) -> str:
    return link.name.lower()


def _cable(number: int, link: Link) -> str:
    return f"{_bridge(link)}-{number}"


async def _hold(nursery: trio.Nursery) -> int:
    """A process that does nothing but keep a namespace; returns its id."""
    # It prints a line once it is in its namespace, and ends with its input.
    run = partial(
        trio.run_process,
        ["unshare", "--net", "sh", "-c", "echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        check=False,
        start_new_session=True,
    )
    process: trio.Process = await nursery.start(run)
    assert process.stdout is not None
    assert await process.stdout.receive_some(1), "unshare --net failed"
    return process.pid


async def _ip(arguments: str) -> None:
    await _run(["ip", *arguments.split()])


async def _run(command: Sequence[str]) -> None:
    await trio.run_process(command, capture_stderr=True)
