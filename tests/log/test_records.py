"""What an import can read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.log.tampering import written
from trio_stream.log.export import export
from trio_stream.log.records import open_record


def test_an_export_is_a_record(tmp_path: Path) -> None:
    made = export(written(tmp_path), tmp_path / "export")
    with closing(open_record(tmp_path / "export", tmp_path)) as record:
        assert record.height == made.height
