"""Freed memory goes back to the system, as far as the C library can be told so (glibc).

Other C libraries do so by themselves, or can't; there nothing happens here.
"""

from __future__ import annotations

import ctypes
from typing import Final

# Larger pieces of memory come from the system and go back to it when they are freed (mallopt(3)).
# By itself glibc raises the threshold to 32 MiB with use, and keeps what large bodies leave. No
# less, or pages of replay would come from the system too.
MMAP_THRESHOLD: Final = 512 * 1024
_M_MMAP_THRESHOLD: Final = -3

_LIBRARY: Final = ctypes.CDLL(None)
_mallopt = getattr(_LIBRARY, "mallopt", None)
_malloc_trim = getattr(_LIBRARY, "malloc_trim", None)


def return_large_pieces() -> None:
    """From now on each large piece goes back by itself when it is freed."""
    if _mallopt is not None:
        _mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD)


def trim() -> None:
    """Give back what smaller pieces have left; takes milliseconds, without the interpreter."""
    if _malloc_trim is not None:
        _malloc_trim(0)
