"""What the C library is asked to do with freed memory, and that others are left alone."""

from __future__ import annotations

import pytest

from trio_stream.net import heap


def test_the_c_library_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, ...]] = []
    monkeypatch.setattr(heap, "_mallopt", lambda *args: told.append(args))
    monkeypatch.setattr(heap, "_malloc_trim", lambda *args: told.append(args))
    heap.return_large_pieces()
    heap.trim()
    assert told == [(-3, heap.MMAP_THRESHOLD), (0,)]


def test_this_c_library_accepts_it() -> None:
    heap.trim()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_mallopt", None)
    monkeypatch.setattr(heap, "_malloc_trim", None)
    heap.return_large_pieces()
    heap.trim()
