"""The recorded messages of all dialects."""

from __future__ import annotations

import json
from typing import NamedTuple

from tests.conftest import VECTORS
from trio_stream.abci.framing import Framing

FAMILIES = {
    "tendermint-0.31": "T31",
    "tendermint-0.32": "T32",
    "tendermint-0.33": "T33",
    "tendermint-0.34": "T34",
    "cometbft-0.37": "C37",
    "cometbft-0.38": "C38",
    "cometbft-0.39": "C39",
    "cometbft-1.0": "C10",
}


class Vector(NamedTuple):
    """One message: whose, which way, what kind, its bytes with prefix."""

    dialect: str
    framing: Framing
    direction: str
    kind: str
    variant: str
    data: bytes

    def __str__(self) -> str:
        return "-".join(filter(None, (self.dialect, self.kind, self.variant)))


def _load() -> list[Vector]:
    vectors = []
    for each in json.loads((VECTORS / "abci.json").read_text()):
        direction, kind, *variant = each["message"].split(".")
        vectors.append(
            Vector(
                FAMILIES[each["version_family"]],
                Framing(each["framing"]),
                direction,
                kind,
                ".".join(variant),
                bytes.fromhex(each["hex"]),
            )
        )
    return vectors


ALL = _load()
REQUESTS = [vector for vector in ALL if vector.direction == "Request"]
RESPONSES = [vector for vector in ALL if vector.direction == "Response"]

NEVER_FIRST = frozenset(
    {
        ("T31", "Commit"),
        ("T32", "Commit"),
        ("T33", "Commit"),
        ("T34", "DeliverTx"),
    }
)
"""Requests that no engine sends first, and that look like some that one does."""
