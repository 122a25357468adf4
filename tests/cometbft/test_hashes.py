from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tests.cometbft.recordings import ALL, RELEASES, block, busy, recording, results
from trio_stream.cometbft import hashes, merkle
from trio_stream.cometbft.blocks import BlockId, Header


@pytest.mark.parametrize("name", RELEASES)
def test_each_release_makes_the_same_hashes(name: str) -> None:
    for height in recording(name)["heights"]:
        found = block(name, height)
        protocol = found.header.block_protocol
        assert hashes.header_hash(found.header) == found.block_id.hash
        assert hashes.data_hash(found.tx_digests, protocol) == found.header.data_hash


@pytest.mark.parametrize("name", ALL)
def test_the_next_header_has_the_hash_of_the_results(name: str) -> None:
    height = busy(name)
    following = block(name, height + 1).header
    made = hashes.results_hash(results(name, height).txs, following.block_protocol)
    assert made == following.last_results_hash


@pytest.mark.parametrize("name", ALL)
def test_what_the_hash_of_results_is_made_of(name: str) -> None:
    height = busy(name)
    protocol = block(name, height).header.block_protocol
    [first, *others] = results(name, height).txs
    made = hashes.results_hash([first, *others], protocol)

    def changed(**changes: Any) -> bool:
        result = replace(first, **changes)
        return hashes.results_hash([result, *others], protocol) != made

    assert changed(code=9)
    assert changed(data=b"other")
    assert changed(gas_used=1) == changed(gas_wanted=-1) == (protocol > 10)
    assert not changed(log="other", info="other", codespace="other", events=())


def test_nothing_has_a_hash_from_0_34_on() -> None:
    assert hashes.data_hash([], 10) == hashes.results_hash([], 10) == b""
    assert hashes.data_hash([], 11) == hashes.results_hash([], 11) == merkle.EMPTY


@pytest.mark.parametrize("name", RELEASES)
def test_each_field_of_a_header_is_in_its_hash(name: str) -> None:
    header = block(name, busy(name)).header
    made = hashes.header_hash(header)
    for field in fields(Header):
        now = getattr(header, field.name)
        match now:
            case int():
                other: Any = now + 1
            case bytes():
                other = now + b"\1"
            case BlockId():
                other = replace(now, parts_total=now.parts_total + 1)
            case tuple():
                other = (now[0], now[1] + 1)
            case None:
                other = (1, 1)
            case _:
                other = "2026-01-01T00:00:00.1Z" if field.name == "time" else now + "1"
        changes: dict[str, Any] = {field.name: other}
        assert hashes.header_hash(replace(header, **changes)) != made
