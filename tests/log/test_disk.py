"""The room that the log takes and has left."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from trio_stream.log.disk import PATIENCE, Disk
from trio_stream.log.file import FILE_NAME
from trio_stream.log.writer import CommitLog


async def inline(work: Callable[[], object], **_: object) -> object:
    """Runs in this thread what would run in another one."""
    await trio.lowlevel.checkpoint()
    return work()


async def test_sizes_and_free_bytes(tmp_path: Path) -> None:
    with CommitLog.open(tmp_path) as log:
        usage = await Disk(log.path).usage()
    assert usage is not None and not usage.trouble
    assert usage.log > 0
    disk = os.statvfs(tmp_path)
    assert usage.free == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.1)


async def test_a_log_that_was_removed_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"")
    disk = Disk(tmp_path / FILE_NAME, run_sync=inline)
    usage = await disk.usage()
    assert usage is not None and usage.write_ahead == 0 and not usage.trouble
    (tmp_path / FILE_NAME).rename(tmp_path / "moved")
    usage = await disk.usage()
    assert usage is not None and usage.trouble == "log.db: No such file or directory"


async def test_a_log_that_was_replaced_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"")
    disk = Disk(tmp_path / FILE_NAME, run_sync=inline)
    (tmp_path / FILE_NAME).rename(tmp_path / "moved")
    (tmp_path / FILE_NAME).write_bytes(b"1234")
    usage = await disk.usage()
    assert usage is not None and usage.log == 4
    assert usage.trouble == "log.db was replaced while it was open"


async def test_a_disk_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"")
    real = os.statvfs(tmp_path)
    values = [*real[:8], real.f_flag | os.ST_RDONLY, real.f_namemax]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))
    usage = await Disk(tmp_path / FILE_NAME, run_sync=inline).usage()
    assert usage is not None
    assert usage.trouble == "its file system is mounted read-only"


async def test_a_disk_that_hangs_keeps_nobody_waiting(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    release = threading.Event()
    entered = 0

    async def hang(work: Callable[[], object], **more: object) -> object:
        nonlocal entered
        entered += 1
        run: Callable[..., Awaitable[object]] = trio.to_thread.run_sync
        return await run(release.wait, **more)

    disk = Disk(tmp_path, run_sync=hang)
    found: list[object] = []

    async def ask() -> None:
        found.append(await disk.usage())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(PATIENCE)
    release.set()
    assert found == [None] * 3 and entered == 3
