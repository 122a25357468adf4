"""The files of a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log.snapshot_files import (
    read_chunk,
    read_description,
    remove,
    write_chunk,
    write_description,
)

SNAPSHOT = Snapshot(7, 1, 2, b"h" * 32, b"metadata")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    write_chunk(tmp_path, 0, b"zero")
    write_chunk(tmp_path, 1, b"one")
    write_description(tmp_path, SNAPSHOT)
    assert [read_chunk(tmp_path, index) for index in (0, 1)] == [b"zero", b"one"]
    assert read_description(tmp_path) == SNAPSHOT
    with pytest.raises(FileNotFoundError):
        read_chunk(tmp_path, 2)


def test_what_is_no_snapshot(tmp_path: Path) -> None:
    assert read_description(tmp_path) is None
    (tmp_path / "file").touch()
    assert read_description(tmp_path / "file") is None
    (tmp_path / "snapshot").write_bytes(b"short")
    assert read_description(tmp_path) is None


def test_all_of_it_is_removed(tmp_path: Path) -> None:
    place = tmp_path / "7"
    place.mkdir()
    write_chunk(place, 0, b"zero")
    write_description(place, SNAPSHOT)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("7", "file", "link", "nothing"):
        remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
