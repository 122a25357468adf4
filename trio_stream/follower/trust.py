"""Which certificates of nodes are believed."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def system_context() -> ssl.SSLContext:
    """For the system's authorities. To read them takes 50 ms, which belongs in a thread."""
    return ssl.create_default_context()
