"""The manual's tables say what the code says, and writing them anew keeps what people wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import manual_tables
from scripts.manual_tables import MANUAL, PAGES, Incomplete, shown, table

HEADER = "| name | default | meaning |\n|---|---|---|\n"
PAGE = f"# Page\n\n{HEADER}| `a` | 1 | first |\n| `b` | 2 | second |\n\nMore.\n"


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_are_those_of_the_code(name: str) -> None:
    text = (MANUAL / name).read_text(encoding="utf-8")
    assert text == PAGES[name](text), "run make manual"


def test_values_and_order_are_the_code_s_and_meanings_are_kept() -> None:
    assert table(HEADER, {"b": "3", "a": "`x`"}, PAGE) == (
        f"# Page\n\n{HEADER}| `b` | 3 | second |\n| `a` | `x` | first |\n\nMore.\n"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"a": "1"}, "b has a row, but"),
        ({"a": "1", "b": "2", "c": "3"}, "c has no row: add"),
    ],
)
def test_a_row_too_many_or_too_few_is_named(rows: dict[str, str], message: str) -> None:
    with pytest.raises(Incomplete, match=message):
        table(HEADER, rows, PAGE)


def test_a_row_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Incomplete, match=r"not a row .* \| `a`, `b` \|"):
        table(HEADER, {}, PAGE.replace("`a`", "`a`, `b`"))


@pytest.mark.parametrize(
    ("name", "default", "text"),
    [
        ("home", Path("data"), "`./data`"),
        ("proxies", (), "–"),
        ("key", None, "–"),
        ("cache_bytes", 3 << 20, "3145728 (3 MiB)"),
        ("send_buffer", 2048, "2048 (2 KiB)"),
        ("max_bytes", 5, "5 (5 bytes)"),
        ("clients", 1024, "1024"),
        ("time", 0.5, "0.5 s"),
        ("level", "INFO", "`INFO`"),
        ("notify", True, "`true`"),
    ],
)
def test_defaults_are_shown_for_readers(name: str, default: object, text: str) -> None:
    assert shown(name, default) == text


def test_a_page_that_cannot_be_written_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manual_tables, "MANUAL", tmp_path)
    for name in PAGES:
        (tmp_path / name).write_bytes((MANUAL / name).read_bytes())
    page = tmp_path / "operating.md"
    page.write_text(manual_tables.SETTINGS + "| `no_such` | | nothing |\n")
    assert manual_tables.main() == 1
    assert "operating.md: no_such has a row" in capsys.readouterr().err
    page.write_text((MANUAL / page.name).read_text(encoding="utf-8"))
    assert manual_tables.main() == 0
