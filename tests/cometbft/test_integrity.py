from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cometbft.recordings import (
    ALL,
    CORRUPT,
    LEGACY,
    SDK,
    answer,
    block,
    busy,
    chain_id,
    results,
)
from trio_stream.cometbft import errors, integrity
from trio_stream.cometbft.results import read_results

SDK_46, SDK_50 = SDK


@pytest.mark.parametrize("name", ALL)
def test_what_every_release_answers_is_true(name: str) -> None:
    height, chain = busy(name), chain_id(name)
    this, following, what = (
        block(name, height),
        block(name, height + 1),
        results(name, height),
    )
    integrity.check_block(this, height=height, chain_id=chain)
    integrity.check_header(following, height=height + 1, chain_id=chain)
    integrity.check_results(this, what)
    integrity.check_link(this.block_id.hash, following)
    integrity.check_next(what, following.header)


def test_a_record_that_an_upgraded_node_serves_is_true() -> None:
    served = read_results(answer(SDK_46, LEGACY))
    integrity.check_results(block(SDK_46, 9), served)
    integrity.check_next(served, block(SDK_46, 10).header)


def test_a_misread_record_is_refused_at_once_and_by_the_next_header() -> None:
    misread = read_results(answer(SDK_46, CORRUPT))
    with pytest.raises(errors.NonsenseResults, match="results of block 9"):
        integrity.check_results(block(SDK_46, 9), misread)
    with pytest.raises(errors.ResultsHashMismatch):
        integrity.check_next(misread, block(SDK_46, 10).header)


@pytest.mark.parametrize("name", ALL)
def test_another_height_or_chain(name: str) -> None:
    height, chain = busy(name), chain_id(name)
    with pytest.raises(errors.OtherHeight):
        integrity.check_block(block(name, height + 1), height=height, chain_id=chain)
    with pytest.raises(errors.OtherChain):
        integrity.check_block(block(name, height), height=height, chain_id="another")
    with pytest.raises(errors.OtherHeight):
        integrity.check_results(block(name, height + 1), results(name, height))
    with pytest.raises(errors.OtherHeight):
        integrity.check_next(results(name, height), block(name, height).header)


@pytest.mark.parametrize("name", ALL)
def test_other_contents(name: str) -> None:
    height, chain = busy(name), chain_id(name)
    true = block(name, height)
    for txs in (true.txs[:-1], (*true.txs, b""), (true.txs[0] + b"x", *true.txs[1:])):
        with pytest.raises(errors.DataHashMismatch):
            integrity.check_block(replace(true, txs=txs), height=height, chain_id=chain)
    integrity.check_block(
        replace(true, txs=()), height=height, chain_id=chain, data=False
    )
    altered = replace(true, header=replace(true.header, app_hash=b"other"))
    with pytest.raises(errors.BlockHashMismatch):
        integrity.check_block(altered, height=height, chain_id=chain)


@pytest.mark.parametrize("name", ALL)
def test_other_results(name: str) -> None:
    height = busy(name)
    true, following = results(name, height), block(name, height + 1).header
    with pytest.raises(errors.ResultCountMismatch):
        integrity.check_results(block(name, height), replace(true, txs=true.txs[1:]))
    failed = replace(true.txs[-1], code=1)
    with pytest.raises(errors.ResultsHashMismatch):
        integrity.check_next(replace(true, txs=(*true.txs[:-1], failed)), following)
    with pytest.raises(errors.AppHashMismatch):
        integrity.check_next(replace(true, app_hash=b"other"), following)


@pytest.mark.parametrize("name", ALL)
def test_another_history(name: str) -> None:
    following = block(name, busy(name) + 1)
    with pytest.raises(errors.BrokenLink, match="and not 0101010101010101,"):
        integrity.check_link(b"\1" * 32, following)
    with pytest.raises(errors.BrokenLink, match="and not no hash,"):
        integrity.check_link(b"", following)
