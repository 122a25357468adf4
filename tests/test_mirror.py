"""Each module has its own test file, in the same place of the tree."""

from __future__ import annotations

from pathlib import Path

from scripts import child

PACKAGE = child.ROOT / "trio_stream"
TESTS = child.ROOT / "tests"


def test_each_module_has_a_test_file() -> None:
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert {str(each) for each in modules if not _test_of(each).exists()} == set()


def _test_of(module: Path) -> Path:
    if module.stem in ("__init__", "__main__") or module.stem.endswith("_pb2"):
        return TESTS
    return TESTS / module.parent / f"test_{module.name}"
