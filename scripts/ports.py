"""The ports of a daemon and its engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a node listens."""

    api: int
    stream: int
    abci: int
    rpc: int
    p2p: int
