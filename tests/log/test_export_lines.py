"""The lines of an export, as they are written."""

from __future__ import annotations

import hashlib
import json

from tests.log.test_export_file import BLOCKS, CHAIN, MOVED, lines_of


def test_they_are_compact_and_in_the_order_of_the_chain() -> None:
    head, *lines, end = lines_of(CHAIN, BLOCKS).decode().splitlines(keepends=True)
    assert head == (
        '{"trio_stream_export":1,"chain":{"chain_id":"chäin","rules":1,"start_hash":"",'
        '"initial_height":5,"genesis_time":[-1,999999999],'
        f'"validators":[["ed25519","{"07" * 32}",3]]}},"height":7,"transactions":3}}\n'
    )
    assert lines == [
        '{"block":{"height":5,"time":[1,2],"app_hash":"","accepted":0,"refused":0}}\n',
        '{"block":{"height":6,"time":[3,4],"app_hash":"h6","accepted":2,"refused":1}}\n',
        '{"accepted":"{\\"id\\": \\"\\\\u00e9 é\\"}"}\n',
        f'{{"refused":["{"01" * 32}",null,"DoubleSpend","a \\"reason\\""]}}\n',
        '{"accepted":"[]"}\n',
        '{"block":{"height":7,"time":[3,4],"app_hash":"h7","accepted":1,"refused":0}}\n',
        '{"accepted":"{}"}\n',
    ]
    sha256 = hashlib.sha256("".join([head, *lines]).encode()).hexdigest()
    assert end == f'{{"end":{{"digest":"{"d" * 64}","sha256":"{sha256}"}}}}\n'


def test_a_chain_that_goes_on_stands_before_its_first_block() -> None:
    lines = [json.loads(each) for each in lines_of(CHAIN, MOVED).splitlines()]
    at = next(at for at, line in enumerate(lines) if "move" in line)
    assert lines[at]["move"] == {
        "chain_id": "next",
        "rules": 1,
        "start_hash": "h6",
        "initial_height": 7,
        "genesis_time": [5, 6],
        "digest": "0" * 64,
    }
    assert lines[at + 1]["block"]["height"] == 7
