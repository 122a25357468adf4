"""A validator beside `make run`, for people: `make devnode`.

It makes a home for one validator, points it at the daemon, and keeps it running. No engine ever
dials its application a second time: when the daemon goes away, releases from 0.34 on exit with
status 0, and older ones keep running uselessly. Either way the engine is started again here, and
waits until the daemon is back. The home and the daemon's data belong together; if they disagree,
`disagreements` says what can be done.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from scripts import child
from scripts.engines import build, disagreements
from scripts.engines import home as engine_home
from scripts.engines import process
from scripts.engines.home import ValidatorHome
from scripts.engines.process import NOT_THERE, RpcError, RunningEngine

LONGEST_PAUSE = 10.0
STUCK = 30.0
"""After so many seconds without progress the application is not just slow to execute a block."""
SILENT = 5.0
"""After so many seconds an engine that was up and refuses calls is not just shutting down."""
MOST_READ = 4 * 1024 * 1024
"""How many characters of a run's log are searched: an engine that exits at once writes few."""
BUSY = 20.0
"""After so many seconds an engine that accepts calls and answers none is stuck, not busy: on a
loaded machine a healthy one takes a while."""


@dataclass(slots=True)
class Life:
    """What is known about one run of the engine."""

    was_up: bool = False
    why_stopped: str | None = None


class Supervisor:
    """Keeps one engine running, and says what happens to it.

    `say` takes the lines; `prefix` is a program that runs the engine, with its arguments.
    """

    def __init__(
        self,
        binary: Path,
        validator: ValidatorHome,
        *,
        say: Callable[[str], None],
        prefix: Sequence[str] = (),
    ) -> None:
        self.engine: RunningEngine | None = None
        """The engine, while it runs."""
        self._binary = binary
        self._validator = validator
        self._say = say
        self._prefix = prefix

    async def run(self) -> None:
        """Start the engine again and again, until cancelled."""
        pause = 0.5
        while True:
            life = Life()
            log = self._validator.log
            # The same file holds the output of earlier runs.
            begin = log.stat().st_size if log.exists() else 0
            async with child.open_nursery() as nursery:
                engine = await process.start_engine(
                    nursery, self._binary, self._validator, self._prefix
                )
                self.engine = engine
                self._say(
                    f"started {engine.name}, which waits for the daemon at"
                    f" {self._validator.proxy_app}"
                )
                nursery.start_soon(self._watch, engine, life)
                status = await engine.wait()
                self.engine = None
            if life.was_up:
                pause = 0.5
            self._say(life.why_stopped or f"{engine.name} exited with status {status}")
            if not life.was_up:
                self._explain(engine, begin)
            self._say(f"restarting it in {pause:g} s")
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _watch(self, engine: RunningEngine, life: Life) -> None:
        """Report when the engine is up, and stop it once it has become useless."""
        await engine.ready(seconds=float("inf"))
        life.was_up = True
        # It may be ending already.
        with suppress(RpcError, *NOT_THERE):
            height = await engine.rpc.height()
            self._say(
                f"{engine.name} is up at height {height},"
                f" RPC http://{engine.rpc.host}:{engine.rpc.port}"
            )
        life.why_stopped = await uselessness(engine)
        await engine.stop()

    def _explain(self, engine: RunningEngine, begin: int) -> None:
        words = engine.last_words()
        if words:
            self._say(f"{engine.log} ends with:\n{words}")
        with open(engine.log, encoding="utf-8", errors="replace") as log:
            log.seek(begin)
            said = log.read(MOST_READ)
        for line in said.splitlines():
            if line.startswith("panic:"):
                # The stacks come after it, so it is far above the last lines.
                self._say(line[:500])
                break
        if cure := disagreements.hint(said, home=str(self._validator.home)):
            self._say(f"hint: {cure}")


async def uselessness(engine: RunningEngine) -> str:
    """Wait until the engine has lost its application; returns the reason.

    `health` and `status` still look fine then. An engine up to 0.33 reveals that it has lost the
    connection when it is made to ask the application; a later one that failed on a block stands
    still above the application, or hangs while it exits. None of them reports it.
    """
    answered = moved = trio.current_time()
    last = (0, 0)
    while True:
        await trio.sleep(1)
        try:
            theirs = await engine.rpc.height()
            ours, _ = await engine.rpc.application()
        except RpcError as error:
            return f"{engine.name} has lost its application ({error.data})"
        except NOT_THERE as error:
            # A call that was not answered has already taken CALL_SECONDS.
            patience = BUSY if isinstance(error, trio.TooSlowError) else SILENT
            if trio.current_time() - answered > patience:
                return f"{engine.name} no longer answers"
            continue
        answered = now = trio.current_time()
        if (theirs, ours) != last or theirs <= ours:
            last, moved = (theirs, ours), now
        elif now - moved > STUCK:
            return f"{engine.name} is stuck at height {theirs}, with the application at {ours}"


def say(line: str) -> None:
    print(f"devnode: {line}", flush=True)


async def run(options: argparse.Namespace) -> None:
    home = options.home.absolute()
    validator = ValidatorHome(home, options.abci, options.rpc, options.p2p)
    async with child.until_signal():
        binary = await process.find_binary(options.engine)
        await engine_home.prepare(binary, validator)
        say(f"home {home}; press Ctrl-C to stop")
        await Supervisor(binary, validator, say=say).run()
    say("stopped")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.devnode",
        description="Run a validator beside the daemon.",
    )
    parser.add_argument(
        "--engine",
        default=os.environ.get("ENGINE") or build.DEFAULT,
        help="a name from `python -m scripts.engines.build --list`, or a binary (default: $ENGINE)",
    )
    parser.add_argument("--home", type=Path, default=Path("trio_stream_devnode"))
    parser.add_argument(
        "--abci", default="tcp://127.0.0.1:26658", help="the daemon's address"
    )
    parser.add_argument("--rpc", type=int, default=26657, metavar="PORT")
    parser.add_argument("--p2p", type=int, default=26656, metavar="PORT")
    options = parser.parse_args(arguments)
    for port in (options.rpc, options.p2p):
        if not engine_home.is_free(port):
            print(
                f"devnode: port {port} is taken; choose another with --rpc or --p2p",
                file=sys.stderr,
            )
            return 1
    try:
        trio.run(run, options)
    except (process.NoEngine, engine_home.BadHome) as error:
        print(f"devnode: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
