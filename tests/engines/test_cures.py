"""Backups, rollbacks and checks, beside an engine and before one that goes on afterwards."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
import trio

from scripts import child, signing
from scripts.engines.disagreements import hint
from scripts.engines.process import RunningEngine
from tests.engines.site import (
    ALICE,
    BOB,
    PATIENCE,
    Event,
    Site,
    commit,
    log_of,
    settled,
)

pytestmark = pytest.mark.engine

SIGNED = Path("data", "priv_validator_state.json")


async def trio_stream(command: str, *arguments: str, home: Path) -> str:
    """What a command prints that has to succeed."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [sys.executable, "-m", "trio_stream", command, *arguments]
            + ["--home", str(home)],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=child.environment({}),
        )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode()


async def nothing_signed(site: Site) -> str:
    """What the file says that keeps a validator from signing twice, while it has signed nothing."""
    await site.prepare()
    return (site.validator.home / SIGNED).read_text(encoding="utf-8")


async def post(site: Site, *, count: int = 5, name: str) -> tuple[list[Event], int]:
    """Commit transactions in a life of daemon and engine; all events so far, and the height."""
    async with site.daemon() as daemon, site.engine() as engine:
        for number in range(count):
            created = signing.create(ALICE, data={"name": f"{name} number {number}"})
            await commit(daemon, created)
            moved = signing.transfer(created, ALICE, recipients=[(BOB, 1)])
            await commit(daemon, moved)
        height = await settled(engine.rpc)
        return await log_of(daemon), height


async def assert_goes_on(site: Site, before: list[Event], height: int) -> None:
    """Daemon and engine start, have all that there was, and commit more on top of it."""
    async with site.daemon() as daemon, site.engine() as engine:
        await caught_up(engine, height)
        assert await log_of(daemon) == before
        await commit(daemon, signing.create(BOB, data={"after": height}))
        await settled(engine.rpc)
        assert (await log_of(daemon))[: len(before)] == before
    assert "is whole" in await trio_stream("check", home=site.settings.home)


async def caught_up(engine: RunningEngine, height: int) -> None:
    async def reached() -> bool | None:
        return (await engine.rpc.application())[0] >= height or None

    await child.poll(reached, seconds=PATIENCE, what=f"block {height}")


async def test_a_backup_is_made_while_blocks_are_and_replayed_to_the_tip(
    site: Site, tmp_path: Path
) -> None:
    home, backup = site.settings.home, tmp_path / "backup.db"
    await post(site, name="first")
    async with site.daemon() as daemon, site.engine() as engine:
        async with trio.open_nursery() as nursery:

            async def keep_posting() -> None:
                while True:
                    posted = signing.create(ALICE, metadata={"at": trio.current_time()})
                    await commit(daemon, posted)

            nursery.start_soon(keep_posting)
            await trio_stream("backup", str(backup), home=home)
            assert "is whole" in await trio_stream("check", home=home)
            nursery.cancel_scope.cancel()
        # The last post may still wait in the mempool, before this one.
        await commit(daemon, signing.create(BOB, data={"name": "last"}))
        height = await settled(engine.rpc)
        before = await log_of(daemon)
    assert "is whole" in await trio_stream("check", str(backup), home=home)
    said = await trio_stream("restore", str(backup), home=home)
    assert f"up to block {height}, is " in said
    await assert_goes_on(site, before, height)


async def test_a_backup_is_restored_into_a_new_directory(
    site: Site, tmp_path: Path
) -> None:
    home, backup = site.settings.home, tmp_path / "backup.db"
    before, height = await post(site, name="first")
    await trio_stream("backup", str(backup), home=home)
    shutil.rmtree(home)
    await trio_stream("restore", str(backup), home=home)
    await assert_goes_on(site, before, height)


async def test_a_log_that_was_edited_is_rolled_back_and_replayed(site: Site) -> None:
    home = site.settings.home
    before, height = await post(site, name="edited")
    log = sqlite3.connect(home / "log.db")
    with log:
        sql = "SELECT max(position) >> 26 FROM bodies WHERE position < (? << 26)"
        ((edited,),) = log.execute(sql, (height - 2,))
        log.execute(
            "UPDATE bodies SET raw = CAST(replace(CAST(raw AS TEXT), 'edited', 'EDITED') AS"
            " BLOB) WHERE position >> 26 = ?",
            (edited,),
        )
    log.close()
    done = await trio.run_process(
        [sys.executable, "-m", "trio_stream", "check", "--home", str(home)],
        capture_stdout=True,
        check=False,
        env=child.environment({}),
    )
    assert done.returncode == 1
    advice = done.stdout.decode().splitlines()[-1]
    assert f"trio-stream rollback --to-height {edited - 1}:" in advice
    await trio_stream("rollback", "--to-height", str(edited - 1), home=home)
    await assert_goes_on(site, before, height)


async def test_the_whole_chain_is_replayed_after_a_rollback_to_nothing(
    site: Site,
) -> None:
    before, height = await post(site, name="all")
    await trio_stream("rollback", "--to-height", "0", home=site.settings.home)
    await assert_goes_on(site, before, height)


@pytest.mark.parametrize("how", [[], ["--hard"]], ids=["soft", "hard"])
async def test_the_log_follows_a_rollback_of_the_engine(
    site: Site, how: list[str]
) -> None:
    if site.release < (0, 34):
        pytest.skip("this release of the engine has no rollback")
    signed = await nothing_signed(site)
    before, height = await post(site, name="followed")
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [site.kind.binary, "rollback", *how, "--home", site.validator.home],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    if b"unknown flag" in done.stderr:
        pytest.skip("this release of the engine has no such rollback")
    assert done.returncode == 0, done
    assert f"height {height - 1}".encode() in done.stdout
    home = site.settings.home
    await trio_stream("rollback", "--to-height", str(height - 1), home=home)
    if how:
        # A validator signs no second block of a height; in a network it gets the others' block.
        (site.validator.home / SIGNED).write_text(signed)
    await assert_goes_on(site, before, height - 1)


async def ends_at_once(site: Site, warning: str) -> str:
    """Daemon and engine start, and the engine exits, of which the daemon warns.

    Returns what the engine has said meanwhile.
    """
    log = site.validator.log
    begin = log.stat().st_size
    async with site.daemon(), child.open_nursery() as nursery:
        engine = await site.start_engine(nursery)
        with trio.fail_after(PATIENCE):
            await engine.wait()
        home = site.settings.home
        said = home.with_name(f"{home.name}.log")

        async def has_warned() -> bool | None:
            await trio.lowlevel.checkpoint()
            return warning in said.read_text(encoding="utf-8") or None

        await child.poll(has_warned, seconds=PATIENCE, what=f"warning {warning!r}")
    return log.read_text(encoding="utf-8", errors="replace")[begin:]


async def test_an_engine_that_is_behind_is_told_and_gets_its_log_back(
    site: Site, tmp_path: Path
) -> None:
    before, height = await post(site, name="first")
    old = shutil.copytree(site.validator.home, tmp_path / "old engine")
    _, newer = await post(site, name="second")
    shutil.rmtree(site.validator.home)
    old.rename(site.validator.home)
    warning = f"app block height ({newer}) is higher than core (M)"
    said = await ends_at_once(site, warning)
    cure = hint(said, home=str(site.validator.home))
    assert cure is not None
    assert f"trio-stream rollback --to-height {height}" in cure, cure
    home = site.settings.home
    await trio_stream("rollback", "--to-height", str(height), home=home)
    await assert_goes_on(site, before, height)
    # What the engine has lost is in the log that was kept.
    (kept,) = home.glob("log-until-*.db")
    log = sqlite3.connect(kept)
    sql = "SELECT count(*) FROM v1_transactions WHERE height > ?"
    assert log.execute(sql, (height,)).fetchall() == [(10,)]
    log.close()


async def test_an_engine_that_was_reset_is_told_and_begins_anew(site: Site) -> None:
    signed = await nothing_signed(site)
    before, _ = await post(site, name="first")
    shutil.rmtree(site.validator.home / "data")
    (site.validator.home / "data").mkdir()
    (site.validator.home / SIGNED).write_text(signed)
    said = await ends_at_once(site, "trio-stream rollback --to-height")
    cure = hint(said, home=str(site.validator.home))
    assert cure is not None
    assert "trio-stream rollback --to-height 0" in cure, cure
    await trio_stream("rollback", "--to-height", "0", home=site.settings.home)
    await assert_goes_on(site, [], 0)
    assert len(before) == 10
