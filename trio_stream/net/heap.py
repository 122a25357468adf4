"""Returning freed memory to the system, as far as the C library can be asked to (glibc).

Other C libraries return it by themselves or can't; with them nothing happens here.
"""

from __future__ import annotations

import ctypes
from typing import Final

MMAP_THRESHOLD: Final = 512 * 1024
"""Larger pieces of memory come from the system and go back to it when they are freed (mallopt(3)).
If left alone, glibc raises the threshold with use, up to 32 MiB, and keeps what large bodies leave
behind. With a smaller threshold pages of replay would come from the system too."""

_M_MMAP_THRESHOLD: Final = -3

_LIBRARY: Final = ctypes.CDLL(None)
_mallopt = getattr(_LIBRARY, "mallopt", None)
_malloc_trim = getattr(_LIBRARY, "malloc_trim", None)


def return_large_pieces() -> None:
    """Have every large piece returned when it is freed, from now on."""
    if _mallopt is not None:
        _mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)


def trim() -> None:
    """Return what freed smaller pieces left behind; takes milliseconds, without the interpreter."""
    if _malloc_trim is not None:
        _malloc_trim(0)
