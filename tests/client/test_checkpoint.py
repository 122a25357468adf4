"""Positions in files, and when they may be saved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trio_stream.client.checkpoint import (
    CheckpointError,
    FileCheckpoint,
    Marks,
    open_checkpoint,
)


def test_the_saved_position_is_loaded(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path / "state")
    assert checkpoint.load() is None
    for position in ("5:1:abcdef12", "6::00112233"):
        checkpoint.save(position)
        assert FileCheckpoint(tmp_path / "state").load() == position


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = FileCheckpoint("state")
    monkeypatch.chdir("/")
    checkpoint.save("5")
    assert (tmp_path / "state").exists()


def test_a_link_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("state")
    FileCheckpoint(link).save("5")
    assert link.is_symlink()
    assert (tmp_path / "state").read_text() == "5\n"


@pytest.mark.parametrize("data", [b"", b"\n", b"5:", b"earliest", b"\xff", b"5\n6\n"])
def test_a_file_without_a_position_is_reported(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "state").write_bytes(data)
    with pytest.raises(CheckpointError, match="does not hold a position"):
        FileCheckpoint(tmp_path / "state").load()


def test_the_old_position_is_whole_until_the_new_one_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    path = tmp_path / "state"
    checkpoint = FileCheckpoint(path)
    checkpoint.save("5")
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        target = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append(f"fsync {Path(target).name}, file has {path.read_text().strip()}")
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    checkpoint.save("6")
    assert steps == [
        "fsync state.new, file has 5",
        "replace",
        f"fsync {tmp_path.name}, file has 6",
    ]


def test_only_processed_events_are_due() -> None:
    marks = Marks(1)
    assert marks.due(idle=True) is None
    marks.hand_out("1")
    assert marks.due(idle=True) is None
    marks.settle()
    assert marks.due(idle=False) == "1"
    marks.saved()
    assert marks.due(idle=True) is None


def test_an_event_that_others_follow_makes_nothing_due() -> None:
    marks = Marks(1)
    marks.hand_out(None)
    marks.settle()
    assert marks.due(idle=True) is None
    marks.hand_out("1")
    marks.settle()
    marks.hand_out(None)
    assert marks.due(idle=False) == "1"


def test_so_many_events_make_it_due() -> None:
    marks = Marks(2)
    for position, due in (("1", None), ("2", "2"), ("3", "3")):
        marks.hand_out(position)
        marks.settle()
        marks.settle()
        assert marks.due(idle=False) == due
    marks.saved()
    marks.skip_to("4")
    assert marks.due(idle=False) == "4"


def test_a_path_stands_for_a_file(tmp_path: Path) -> None:
    path = tmp_path / "position"
    for given in (path, str(path)):
        checkpoint = open_checkpoint(given)
        assert isinstance(checkpoint, FileCheckpoint)
        assert open_checkpoint(checkpoint) is checkpoint
    checkpoint.save("1:2:abcdef12")
    assert path.read_text() == "1:2:abcdef12\n"
    assert open_checkpoint(None) is None


def test_positions_are_saved_at_least_now_and_then() -> None:
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1, not 0"):
        Marks(0)
