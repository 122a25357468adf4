from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.follower.chain import MadeChain
from tests.follower.following import inline
from trio_stream.cometbft.blocks import read_block
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.cometbft.results import read_results
from trio_stream.follower.agreement import LOST, Agreement, alike
from trio_stream.follower.nodes import Node, NodeSettings

CHAIN = MadeChain(5)


def said(change: Callable[[Any], object] = lambda results: None) -> FollowedBlock:
    """Block 5, with two transactions, of which a node says something else."""
    block, results = CHAIN.blocks[5], copy.deepcopy(CHAIN.results[5])
    change(results)
    return FollowedBlock(read_block(block), read_results(results), block, results)


async def nodes(count: int) -> list[Node]:
    await trio.lowlevel.checkpoint()
    return [
        Node(f"http://n{number}", NodeSettings(), run_sync=inline)
        for number in range(count)
    ]


def first_of(results: Any) -> Any:
    return results["txs_results"][0]


def attribute(results: Any) -> Any:
    return first_of(results)["events"][0]["attributes"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda results: first_of(results).update(log="x", info="y", codespace="z"),
        lambda results: attribute(results).update(index=False),
        # As a node of another release says it.
        lambda results: results.update(
            begin_block_events=results.pop("finalize_block_events"), app_hash=None
        ),
    ],
)
def test_what_is_each_nodes_own_does_not_count(change: Callable[[Any], object]) -> None:
    assert alike(said(), said(change))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda results: first_of(results).update(code=1), "the code of transaction 0"),
        (
            lambda results: first_of(results).update(data="AA=="),
            "the data of transaction 0",
        ),
        (
            lambda results: first_of(results).update(gas_used="4"),
            "the gas_used of transaction 0",
        ),
        (
            lambda results: attribute(results).update(value="evil"),
            "the events of transaction 0",
        ),
        (
            lambda results: attribute(results).update(key="evil"),
            "the events of transaction 0",
        ),
        (
            lambda results: first_of(results)["events"][0].update(type="evil"),
            "the events of transaction 0",
        ),
        (
            lambda results: first_of(results)["events"].clear(),
            "the events of transaction 0",
        ),
        (
            lambda results: results["finalize_block_events"].clear(),
            "the events of the block",
        ),
        (lambda results: results["txs_results"].pop(), "the number of results"),
    ],
)
async def test_everything_else_does(
    change: Callable[[Any], object], difference: str
) -> None:
    assert not alike(said(), said(change))
    agreement = Agreement(2)
    for node, found in zip(await nodes(2), (said(), said(change)), strict=True):
        agreement.add(node, found)
    assert agreement.text == f"n0, n1: they differ in {difference}"


async def test_enough_must_say_the_same() -> None:
    agreement = Agreement(2)
    evil = said(lambda results: attribute(results).update(value="evil"))
    known = await nodes(3)
    assert not agreement
    assert agreement.add(known[0], said()) is None
    assert agreement.text == "n0: the same so far"
    assert agreement.has(known[0]) and not agreement.has(known[1])
    assert agreement.add(known[1], evil) is None
    good = said()
    assert agreement.add(known[2], good) is good
    assert Agreement(1).add(known[0], evil) is evil


async def test_all_may_be_asked_again() -> None:
    agreement = Agreement(2)
    (one,) = await nodes(1)
    agreement.add(one, said())
    agreement.begin_again()
    assert not agreement.has(one) and len(agreement) == 0
    assert agreement.rounds == 1


async def test_different_blocks_are_told_apart() -> None:
    other = MadeChain(5, salt="other")
    block, results = other.blocks[5], other.results[5]
    agreement = Agreement(2)
    first, second = await nodes(2)
    agreement.add(first, said())
    made = FollowedBlock(read_block(block), read_results(results), block, results)
    assert agreement.add(second, made) is None
    assert agreement.text.endswith("their blocks are different ones")


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        (lambda results: results.update(begin_block_events=None), True),
        (lambda results: results.update(end_block_events=[]), False),
        (
            lambda results: results.update(
                begin_block_events=None, end_block_events=[]
            ),
            False,
        ),
    ],
)
async def test_an_engine_that_was_killed_is_told_from_a_lie(
    change: Callable[[Any], object], is_told: bool
) -> None:
    def as_up_to_0_37(results: Any) -> None:
        events = results.pop("finalize_block_events")
        results.update(begin_block_events=events, end_block_events=events)

    def other(results: Any) -> None:
        as_up_to_0_37(results)
        change(results)

    agreement = Agreement(2)
    for node, found in zip(
        await nodes(2), (said(as_up_to_0_37), said(other)), strict=True
    ):
        agreement.add(node, found)
    expected = "they differ in the events of the block" + LOST * is_told
    assert agreement.text == f"n0, n1: {expected}"
