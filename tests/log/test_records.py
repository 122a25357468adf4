"""What an import can read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.log.tampering import written
from tests.mongodb.tools import to_archive, write_mongodump
from tests.reference_chain import TIP
from tests.reference_database import reference_database
from trio_stream.ledger.recorded import NotAsRecorded
from trio_stream.log.export import export
from trio_stream.log.records import open_record


def test_an_export_is_a_record(tmp_path: Path) -> None:
    made = export(written(tmp_path), tmp_path / "export")
    with closing(open_record(tmp_path / "export", tmp_path)) as record:
        assert record.height == made.height


def test_a_dump_is_a_record(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(to_archive(reference_database()))
    write_mongodump(tmp_path / "directory", reference_database())
    for name in ("archive", "directory"):
        with closing(open_record(tmp_path / name, tmp_path)) as record:
            assert record.height == TIP


def test_anything_else_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    with pytest.raises(NotAsRecorded):
        open_record(tmp_path / "file", tmp_path)
