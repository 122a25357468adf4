"""A node that is killed while it makes or restores a snapshot: it has all of it, or nothing."""

from __future__ import annotations

import pickle
import random
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from scripts.signing import create, encode
from tests.forked import forking
from tests.ledger.chains import ALICE, new_engine
from tests.log.snapshotting import Taken, apply_all, contents, offer, take, write_varied
from trio_stream.log.restoring import Restoring
from trio_stream.log.snapshots import Snapshots
from trio_stream.log.writer import CommitLog

BLOCKS = 60
ROUNDS = 25
SECONDS = 5.0


@pytest.fixture(scope="module")
def spawn() -> ForkServerContext:
    return forking()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a log; beside it, what a snapshot of it is."""
    home = tmp_path_factory.mktemp("served")
    with CommitLog.open(home) as log:
        write_varied(log, BLOCKS)
        new_engine(store=log).block(
            *(encode(create(ALICE, data={"n": n})) for n in range(300))
        )
        taken = take(log, chunk_bytes=30_000)
    home.with_suffix(".taken").write_bytes(pickle.dumps(taken))
    return home


def taken_of(served: Path) -> Taken:
    taken: Taken = pickle.loads(served.with_suffix(".taken").read_bytes())
    return taken


def restore(home: Path, served: Path, begun: Any) -> None:
    with CommitLog.open(home) as log, closing(Restoring(log)) as restoring:
        begun.set()
        offer(restoring, taken_of(served))
        apply_all(restoring, taken_of(served))
        time.sleep(60)


def make(home: Path, _: Path, begun: Any) -> None:
    with CommitLog.open(home) as log:
        snapshots = Snapshots(log, keep=2)
        begun.set()
        for height in range(1, BLOCKS + 1):
            snapshots.make(height, lambda: False)


def kill_during(
    spawn: ForkServerContext,
    work: Callable[[Path, Path, Any], None],
    home: Path,
    served: Path,
    seconds: float,
) -> None:
    begun = spawn.Event()
    child = spawn.Process(target=work, args=(home, served, begun))
    child.start()
    begun.wait()
    child.join(timeout=seconds)
    child.kill()
    child.join()


@pytest.mark.slow
def test_kill_9_while_a_snapshot_is_restored(
    spawn: ForkServerContext, served: Path, tmp_path: Path
) -> None:
    chance = random.Random(tmp_path.name)
    expected = contents(served)
    with CommitLog.open(tmp_path / "measured") as log:
        with closing(Restoring(log)) as restoring:
            began = time.monotonic()
            offer(restoring, taken_of(served))
            apply_all(restoring, taken_of(served))
            usual = time.monotonic() - began
    give_up = time.monotonic() + SECONDS
    found = []
    for turn in range(ROUNDS):
        home = tmp_path / str(turn)
        home.mkdir()
        kill_during(spawn, restore, home, served, chance.uniform(0, 1.2) * usual)
        with CommitLog.open(home) as log, closing(Restoring(log)) as restoring:
            assert not (home / "restoring").exists()
            found.append(log.tip() is not None)
            if not found[-1]:
                assert log.chain() is None
                offer(restoring, taken_of(served))
                apply_all(restoring, taken_of(served))
        assert contents(home) == expected
        shutil.rmtree(home)
        if time.monotonic() > give_up and len(found) > 3:
            break


@pytest.mark.slow
def test_kill_9_while_a_snapshot_is_made(
    spawn: ForkServerContext, served: Path, tmp_path: Path
) -> None:
    chance = random.Random(tmp_path.name)
    home = tmp_path / "home"
    shutil.copytree(served, home, ignore=lambda *_: ["snapshots"])
    give_up = time.monotonic() + SECONDS
    for turn in range(ROUNDS):
        kill_during(spawn, make, home, served, chance.uniform(0, 0.3))
        with CommitLog.open(home) as log:
            snapshots = Snapshots(log, keep=2)
            directory = home / "snapshots"
            left = {each.name for each in directory.glob("*")}
            available = snapshots.available()
            assert left == {str(each.height) for each in available}
            for each in available:
                chunks = [
                    snapshots.chunk(each.height, 1, i) for i in range(each.chunks)
                ]
                assert all(chunks)
        if time.monotonic() > give_up and turn > 3:
            break
    with CommitLog.open(home) as log:
        shutil.rmtree(home / "snapshots", ignore_errors=True)
        assert take(log, chunk_bytes=30_000) == taken_of(served)
