"""A BigchainDB-compatible node whose commit-event stream loses nothing.

Programs may use `trio_stream.client`: the names in its `__all__` are stable. Everything else
belongs to the node and may change with any release.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trio_stream import client

__all__ = ["__version__", "client"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Loaded on demand: neither the node nor the client needs the other.
    if name == "client":
        return importlib.import_module("trio_stream.client")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
