"""The chain that the reading sections are asked about, and answers as those sections write them."""

from __future__ import annotations

from typing import Any

from scripts.signing import create, transfer
from tests.ledger.chains import ALICE, BOB
from tests.spec.asking import spaced

ASSET = create(
    ALICE,
    recipients=[(ALICE, 1), (BOB, 2)],
    data={"é": [1, 2.5, 1e-07, "\U0001f600"]},
    metadata={"note": "a fox"},
)
OTHER = create(BOB, data={"z": "a bicycle", "a": {"deep": ["red fox"]}})
MOVED = transfer(ASSET, ALICE)
BACK = transfer(MOVED, ALICE)
# The first one is empty.
BLOCKS: list[list[dict[str, Any]]] = [[], [ASSET, OTHER], [MOVED, BACK], []]
ABSENT = "a" * 64
MISSING = (
    "Missing required parameter in the JSON body or the post body or the query string"
)
BOOLEAN = 'Boolean value must be "true" or "false" (lowercase)'
OPERATION = 'Operation must be "CREATE" or "TRANSFER"'


def bad(name: str, text: str) -> bytes:
    return spaced({"message": {name: text}})


def block(height: int) -> bytes:
    return spaced({"height": height, "transactions": BLOCKS[height - 1]})


def link(document: dict[str, Any], index: int) -> dict[str, object]:
    return {"transaction_id": document["id"], "output_index": index}
