"""What `trio-stream tail` prints for people."""

from __future__ import annotations

import json

import pytest

from tests.scripted_feed import gap
from tests.scripted_server import hexes
from trio_stream.client.messages import parse
from trio_stream.commands.tail_lines import readable

TX, HASH = hexes(5, 0), hexes("hash")
AT = "5:0:abcdef12"
SENT = {"height": 5, "index": 0, "tx_hash": HASH, "code": 0, "events": [{}, {}]}


def pair(key: str, value: str) -> dict[str, str]:
    return {"key": key, "value": value}


EVENT: dict[str, object] = {
    **{"height": 5, "event_index": 7, "type": "transfer", "time": "T"},
    "attributes": [pair("to", "cosmos1b"), pair("memo", "a b"), pair("empty", "")],
}


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            {"position": "5:0:abcdef12", "time": "T", **SENT},
            f"{AT}  T  {HASH}  2 events",
        ),
        (
            {"position": AT, "time": "T", **SENT, "code": 5},
            f"{AT}  T  {HASH}  2 events  failed with code 5",
        ),
        (
            {"position": AT, "time": "T", **SENT, "code": 5, "log": "out of gas"},
            f"{AT}  T  {HASH}  2 events  failed with code 5: out of gas",
        ),
        (
            {
                **{"position": "5::ab", "time": "T", "height": 5, "hash": HASH},
                **{"transactions": 3, "events": [{}]},
            },
            f"5::ab  T  3 transactions  1 events  {HASH}",
        ),
        (
            EVENT | {"index": 2, "phase": "tx", "position": AT},
            '5:2#7  T  tx  transfer  to=cosmos1b  memo="a b"  empty=""',
        ),
        (EVENT | {"phase": "end", "attributes": []}, "5#7  T  end  transfer"),
        (
            EVENT | {"phase": "end", "type": "", "attributes": [pair("a", "\x1b[2J")]},
            "5#7  T  end    a=\\u001b[2J",
        ),
        (
            {"position": AT, "time": "T", "asset_id": TX, "transaction_id": TX},
            f"{AT}  T  {TX}",
        ),
        (
            {"position": AT, "time": "T", "asset_id": HASH, "transaction_id": TX},
            f"{AT}  T  {TX}  of asset {HASH}",
        ),
        (
            {
                "position": AT,
                "time": "T",
                "asset_id": TX,
                "transaction_id": TX,
                "transaction": {"operation": "CREATE"},
            },
            f"{AT}  T  CREATE    {TX}",
        ),
        (
            {"position": "5::", "time": "T", "hash": HASH, "transaction_ids": [TX, TX]},
            f"5::  T  2 transactions  {HASH}",
        ),
        (
            {
                "position": AT,
                "time": "T",
                "transaction_id": TX,
                "tx_hash": HASH,
                "error": "DoubleSpend",
                "reason": "spent",
            },
            f"{AT}  T  {TX}  DoubleSpend: spent",
        ),
        (
            {
                "position": AT,
                "time": "T",
                "transaction_id": None,
                "tx_hash": HASH,
                "error": "E",
                "reason": "\x1b[2Jä",
            },
            f"{AT}  T  tx_hash {HASH}  E: \\u001b[2J\\u00e4",
        ),
    ],
)
def test_lines_for_people(event: dict[str, object], line: str) -> None:
    assert readable(event) == line


def test_missing_blocks_are_a_line_too() -> None:
    message = parse(json.dumps(gap(2, 4)))
    assert message is not None
    said = "4  blocks 2 to 4 are missing  pruned: no node has them"
    assert readable(message) == said
