"""What nodes of ten releases answered, and two chains of the Cosmos SDK, as they were recorded.

`recorded/RELEASE.json` is the built-in key-value store on that release; `recorded/sdk0….json` are
SDK chains with bank transfers. Releases up to 0.33 indent their answers; that was left out.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from trio_stream.cometbft import envelope
from trio_stream.cometbft.blocks import Block, read_block, read_status
from trio_stream.cometbft.results import BlockResults, read_results

FOLDER = Path(__file__).parent / "recorded"

RELEASES = tuple(
    sorted(path.stem for path in FOLDER.glob("*.json") if "sdk" not in path.stem)
)
SDK = {"sdk046_cmt0.34.29": 9, "sdk050_cmt0.38.11": 28}
"""The height of each that has a transfer; the next block is recorded too."""

LEGACY = "legacy034_record_served_by_0.38.11_block_results"
CORRUPT = "CORRUPT_034_record_served_by_0.38.9_block_results"
"""Both are of the first SDK chain's transfer."""


@cache
def recording(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def body(name: str, path: str) -> bytes:
    text: str = recording(name)["bodies"][path]
    return text.encode()


def answer(name: str, path: str) -> Any:
    return envelope.answer(body(name, path))


def line(name: str) -> tuple[int, int]:
    """The release line: (0, 38)."""
    major, minor, *_ = re.split(r"-|cmt", name)[-1].split(".")
    return int(major), int(minor)


def at(method: str, height: int, name: str) -> str:
    return f"{method}{'_height_' if name in SDK else '?height='}{height}"


def block(name: str, height: int) -> Block:
    return read_block(answer(name, at("block", height, name)))


def results(name: str, height: int) -> BlockResults:
    return read_results(answer(name, at("block_results", height, name)))


def chain_id(name: str) -> str:
    return read_status(answer(name, "status")).chain_id


def busy(name: str) -> int:
    """A height with transactions, whose next one is recorded too."""
    return SDK.get(name) or recording(name)["height"]


ALL = (*RELEASES, *SDK)
