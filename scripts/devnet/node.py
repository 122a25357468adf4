"""One node of the network: a daemon and the engine in front of it, each restarted when it ends.

Both are looked after as systemd would do it with `Restart=always`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from scripts import child, daemon_process
from scripts.daemon_process import RunningDaemon, Settings
from scripts.devnet.isolation import Isolation, Link
from scripts.devnode import Supervisor
from scripts.engines import home, network
from scripts.engines.home import ValidatorHome
from scripts.engines.process import RunningEngine
from scripts.ports import Ports

RESTART_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node runs."""

    host: str = "127.0.0.1"
    """Its address for clients."""
    peer: str = "127.0.0.1"
    """Its address for other nodes."""
    prefix: Sequence[str] = ()
    """A program that runs daemon and engine, with that program's arguments."""

    @classmethod
    def isolated(cls, number: int, isolation: Isolation) -> Place:
        """The network namespace of the node with this number."""
        return cls(
            host=isolation.address(number, Link.CLIENTS),
            peer=isolation.address(number, Link.PEERS),
            prefix=isolation.prefix(number),
        )


HERE = Place()


class Node:
    """A daemon and its engine, with their homes in `folder`.

    `expected` says which exit statuses a daemon may have; with another one, `run` raises
    ChildEnded. None: any, as for a supervisor.
    """

    def __init__(
        self,
        number: int,
        binary: Path,
        folder: Path,
        ports: Ports,
        *,
        say: Callable[[str], None],
        place: Place = HERE,
        consensus: Mapping[str, str] | None = None,
        expected: Collection[int] | None = None,
    ) -> None:
        self.number = number
        self.settings = Settings(
            home=folder / "daemon",
            abci=f"tcp://127.0.0.1:{ports.abci}",
            stream=f"{place.host}:{ports.stream}",
            api=f"{place.host}:{ports.api}",
            node=f"http://{place.host}:{ports.rpc}",
            prefix=place.prefix,
        )
        self.peer_address = f"{place.peer}:{ports.p2p}"
        """Where other nodes reach its engine."""
        settings: dict[home.Key, home.Value] = {
            ("p2p", "laddr"): f"tcp://{self.peer_address}"
        }
        for name, value in (consensus or {}).items():
            settings["consensus", name] = value
        self.validator = ValidatorHome(
            folder / "engine",
            self.settings.abci,
            ports.rpc,
            ports.p2p,
            settings,
            place.host,
        )
        self._say = say
        self._expected = expected
        self._daemon: RunningDaemon | None = None
        self._supervisor = Supervisor(
            binary, self.validator, say=self._say_as_engine, prefix=place.prefix
        )
        self._life = trio.CancelScope()
        self._ended = trio.Event()

    @property
    def daemon(self) -> RunningDaemon | None:
        """The daemon, while its servers listen."""
        found = self._daemon
        return found if found and found.process.poll() is None else None

    @property
    def engine(self) -> RunningEngine | None:
        """The engine, while it runs."""
        return self._supervisor.engine

    async def run(self) -> None:
        """Keep both running until `stop`; then end the engine first, and the daemon after it."""
        async with child.open_nursery() as nursery:
            nursery.start_soon(self._keep_daemon)
            with self._life:
                await self._supervisor.run()
        if self._daemon is not None:
            self._note_end(self._daemon)
        self._ended.set()

    async def stop(self) -> None:
        """Let `run` end both in good order, and wait until they have."""
        self._life.cancel()
        await self._ended.wait()

    async def _keep_daemon(self) -> None:
        while True:
            try:
                async with child.open_nursery() as nursery:
                    self._daemon = await daemon_process.start_daemon(
                        nursery, self.settings
                    )
                    self._say_as_daemon("listens")
                    await self._daemon.wait()
                self._note_end(self._daemon)
            except child.ChildEnded as ended:
                self._note_end(ended.child)
            await trio.sleep(RESTART_PAUSE)

    def _note_end(self, daemon: child.Child) -> None:
        self._daemon = None
        status = daemon.returncode
        self._say_as_daemon(f"exited with status {status}")
        if self._expected is not None and status not in self._expected:
            raise child.ChildEnded(daemon)

    def _say_as_engine(self, line: str) -> None:
        self._say(f"node {self.number}: {line}")

    def _say_as_daemon(self, line: str) -> None:
        self._say(f"node {self.number}: daemon {line}")


async def prepare(binary: Path, nodes: Sequence[Node]) -> None:
    """Make the homes of all, or keep existing ones, and let the engines know each other."""
    for node in nodes:
        node.validator.home.parent.mkdir(parents=True, exist_ok=True)
    await network.prepare(
        binary,
        [node.validator for node in nodes],
        [node.peer_address for node in nodes],
    )
