"""The files of a snapshot: one for each chunk, and one for what describes them all.

Each is on disk before its function returns. Errors of the file system are left as they are.
"""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Final

from trio_stream.abci.snapshot_messages import Snapshot
from trio_stream.log.snapshot_chunks import CHUNK_LIMIT
from trio_stream.log.snapshot_head import METADATA_LIMIT

_DESCRIPTION: Final = "snapshot"
_FIXED: Final = struct.Struct(">QII32s")
_PACKED_LIMIT: Final = CHUNK_LIMIT + CHUNK_LIMIT // 8
"""What does not get smaller gets a little larger."""


def write_chunk(directory: Path, index: int, packed: bytes) -> None:
    """Write a chunk's file."""
    _write(_chunk_file(directory, index), packed)


def read_chunk(directory: Path, index: int) -> bytes:
    """The chunk; at most what one can have."""
    with open(_chunk_file(directory, index), "rb") as file:
        return file.read(_PACKED_LIMIT)


def write_description(directory: Path, snapshot: Snapshot) -> None:
    """Write the file that describes the snapshot."""
    height, form, chunks, digest, metadata = snapshot
    data = _FIXED.pack(height, form, chunks, digest) + metadata
    _write(directory / _DESCRIPTION, data)


def read_description(directory: Path) -> Snapshot | None:
    """The snapshot that the directory holds; None if it holds none."""
    try:
        with open(directory / _DESCRIPTION, "rb") as file:
            data = file.read(_FIXED.size + METADATA_LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(data) < _FIXED.size:
        return None
    height, form, chunks, digest = _FIXED.unpack_from(data)
    return Snapshot(height, form, chunks, digest, data[_FIXED.size :])


def remove(place: Path) -> None:
    """Remove a snapshot, or what there is of one, as far as that can be done."""
    if place.is_dir() and not place.is_symlink():
        # If this is cut off, it is not taken for a snapshot.
        (place / _DESCRIPTION).unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def _chunk_file(directory: Path, index: int) -> Path:
    return directory / f"{index:06d}"


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
