from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.follower.chain import MadeChain
from tests.follower.fake_node import Answer, FakeNode, refused
from tests.follower.following import following, inline, stops
from tests.follower.memory import MemoryLog
from tests.follower.wires import Wires, http
from trio_stream.cometbft.followed import (
    FollowedBlock,
    FollowedChain,
    FollowedTip,
    Gap,
)
from trio_stream.follower.follower import Follower
from trio_stream.follower.introduction import FollowSettings
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.follower.troubles import (
    Contradicted,
    Disagreed,
    Forked,
    Unobtainable,
    WrongChain,
)


def equal(log: MemoryLog, chain: MadeChain) -> bool:
    return all(
        each.raw_block == chain.blocks[each.height]
        and each.raw_results == chain.results[each.height]
        for each in log.entries
        if isinstance(each, FollowedBlock)
    )


async def test_all_blocks_come_in_order_and_are_announced(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(40)
    node = FakeNode(chain)
    node.takes = 0.1
    async with following(node, node=NodeSettings(rate=1e6)) as followed:
        await followed.reaches(40)
        assert followed.log.heights == list(range(1, 41))
        heights = [tip.height for tip in followed.advanced]
        assert heights == sorted(set(heights)) and heights[-1] == 40
        assert equal(followed.log, chain)
        assert followed.handed_on == followed.log.entries
        assert node.most_busy == 4
        # Each once: what was asked ahead is not asked again.
        assert node.count("block") == 40
        chain.grow()
        await followed.reaches(41, 5)


async def test_it_starts_where_it_is_told_and_goes_on_where_it_was(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(9)
    log = MemoryLog()
    async with following(FakeNode(chain), log=log, start=7) as followed:
        await followed.reaches(9)
    chain.grow()
    async with following(FakeNode(chain), log=log, start=1) as followed:
        await followed.reaches(10)
    assert log.heights == [7, 8, 9, 10]
    async with following(FakeNode(chain), start="tip") as followed:
        await followed.reaches(10)
        assert followed.log.heights == [10]


async def test_a_header_wakes_it(autojump_clock: MockClock) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    async with following(node, poll=1000.0) as followed:
        await followed.reaches(3)
        await trio.sleep(1)
        assert node.subscribed
        asked = node.count("status")
        chain.grow()
        await node.announce()
        await followed.reaches(4, 0.5)
        assert node.count("status") == asked


@pytest.mark.parametrize("flaw", ["no websocket", "no room"])
async def test_without_the_websocket_it_only_comes_later(
    flaw: str, autojump_clock: MockClock
) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    node.has_websocket = flaw != "no websocket"
    node.room = flaw != "no room"
    async with following(node) as followed:
        await followed.reaches(3)
        chain.grow()
        await followed.reaches(4, 3)


async def test_results_that_are_not_there_yet_are_waited_for_however_long(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    node.executing = {3}
    async with following(node) as followed:
        await followed.reaches(2)
        await trio.sleep(20 * 60)
        assert followed.log.heights == [1, 2]
        node.executing = set()
        await followed.reaches(3, 5)


async def test_results_that_will_never_be_there_come_from_another_node(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    lacking, other = FakeNode(chain), FakeNode(chain)
    lacking.executing = {4}
    async with following(lacking, other) as followed:
        await followed.reaches(8)
        assert equal(followed.log, chain)


def nothing_kept(method: str, height: int) -> Answer | None:
    if method == "block_results":
        return refused("node is not persisting finalize block responses")
    return None


async def test_it_stops_if_no_node_will_have_the_results(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    lacking, discarding = FakeNode(chain), FakeNode(chain)
    lacking.executing = {4}
    discarding.special = nothing_kept
    async with following(lacking, discarding) as followed:
        text = await stops(followed, Unobtainable)
        assert "no node has block 4" in text
        assert "not persisting" in text and "ResultsNotThere" in text
        assert followed.log.heights == [1, 2, 3]


async def test_gaps_are_recorded_where_they_are_allowed(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(12)
    node = FakeNode(chain)
    node.lowest = 5
    node.executing = {8}
    async with following(node, start=2, allow_gaps=True) as followed:
        await followed.reaches(12)
        entries = followed.log.entries
        gaps = [each for each in entries if isinstance(each, Gap)]
        assert [(gap.first, gap.last, gap.reason) for gap in gaps] == [
            (2, 4, "pruned"),
            (8, 8, "results_missing"),
        ]
        assert followed.log.heights == [5, 6, 7, 9, 10, 11, 12]
        assert followed.advanced[0] == FollowedTip(4, None)


async def test_pruned_blocks_stop_it(autojump_clock: MockClock) -> None:
    node = FakeNode(MadeChain(12))
    node.lowest = 5
    async with following(node, start=2) as followed:
        assert "lowest height is 5" in await stops(followed, Unobtainable)


async def test_the_wrong_chain_is_refused(autojump_clock: MockClock) -> None:
    chain = MadeChain(3)
    other = FakeNode(MadeChain(3, chain_id="other"))
    async with following(FakeNode(chain), other) as followed:
        assert "different chains: made, other" in await stops(followed, WrongChain)
    log = MemoryLog()
    async with following(FakeNode(chain), log=log) as followed:
        await followed.reaches(3)
    async with following(other, log=log) as followed:
        await stops(followed, WrongChain)
    chain.grow()
    async with following(other, FakeNode(chain), log=log) as followed:
        await followed.reaches(4)


async def test_a_node_that_becomes_another_chains_is_left(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    async with following(node) as followed:
        await followed.reaches(3)
        node.chain = MadeChain(9, chain_id="other")
        await stops(followed, WrongChain)


async def test_another_history_stops_it_at_the_start_and_later(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(6)
    other = chain.copy(4, "other")
    for _ in range(4):
        other.grow()
    log = MemoryLog()
    node = FakeNode(chain)
    async with following(node, log=log) as followed:
        await followed.reaches(6)
        # `rollback --hard`, and on with other transactions.
        node.chain = other
        assert "fork at block 6" in await stops(followed, Forked)
    async with following(node, log=log) as followed:
        assert "fork at block 6" in await stops(followed, Forked)
    assert log.heights == list(range(1, 7))
    chain.grow()
    async with following(node, FakeNode(chain), log=log) as followed:
        await followed.reaches(7)


async def test_a_node_that_lags_is_no_reason_to_go_back(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(6)
    node = FakeNode(chain)
    async with following(node) as followed:
        await followed.reaches(6)
        node.tip = 3
        await trio.sleep(100)
        node.tip = None
        chain.grow()
        await followed.reaches(7, 5)
        assert followed.log.heights == list(range(1, 8))


def spoiled(chain: MadeChain, what: str) -> Callable[[str, int], Answer | None]:
    """Block 4 is wrong, one way or another."""

    def special(method: str, height: int) -> Answer | None:
        if height != 4 or method not in ("block", "block_results"):
            return None
        if what == "other height":
            found = chain.blocks if method == "block" else chain.results
            return {"result": found[3] if method == "block_results" else found[4]}
        block = copy.deepcopy(chain.blocks[4])
        results = copy.deepcopy(chain.results[4])
        match what:
            case "a transaction":
                block["block"]["data"]["txs"] = ["AAAA"]
            case "the time":
                block["block"]["header"]["time"] = "2020-01-02T03:04:05Z"
            case "the count":
                results["txs_results"] *= 2
            case "the results":
                results["txs_results"][0]["code"] = 7
            case "the app hash":
                results["app_hash"] = "AAAA"
            case "misread":
                attribute = {"key": "", "value": "x"}
                results["finalize_block_events"] = [{"attributes": [attribute]}]
                results["app_hash"] = None
        return {"result": block if method == "block" else results}

    return special


WRONG = {
    "other height": "OtherHeight",
    "a transaction": "DataHashMismatch",
    "the time": "BlockHashMismatch",
    "the count": "ResultCountMismatch",
    "the results": "ResultsHashMismatch",
    "the app hash": "AppHashMismatch",
    "misread": "NonsenseResults",
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_not_true_is_named_and_never_stored(
    what: str, autojump_clock: MockClock
) -> None:
    chain = MadeChain(8)
    node, good = FakeNode(chain), FakeNode(chain)
    node.special = spoiled(chain, what)
    async with following(node) as followed:
        text = await stops(followed, Unobtainable)
        assert WRONG[what] in text
        assert followed.log.heights == [1, 2, 3]
    async with following(node, allow_gaps=True) as followed:
        await followed.reaches(8)
        assert followed.log.heights == [1, 2, 3, 5, 6, 7, 8]
    async with following(node, good) as followed:
        await followed.reaches(8)
        assert equal(followed.log, chain)
        assert followed.log.heights == list(range(1, 9))


async def test_results_that_the_next_block_contradicts_stop_it(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(4)
    node = FakeNode(chain)
    # At the tip there is no header to hold them against.
    node.special = spoiled(chain, "the results")
    async with following(node) as followed:
        await followed.reaches(4)
        chain.grow()
        text = await stops(followed, Contradicted)
        assert (
            "block 5 does not commit to the results that are stored for block 4" in text
        )


async def test_a_block_waits_for_the_one_that_confirms_it_if_that_is_wanted(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(4)
    node = FakeNode(chain)
    async with following(node, confirm=1) as followed:
        await followed.reaches(3)
        for height in range(4, 7):
            await trio.sleep(30)
            assert followed.log.heights == list(range(1, height))
            chain.grow()
            await node.announce()
            await followed.reaches(height, 0.5)
        assert equal(followed.log, chain)
        node.special = lambda method, height: (
            refused("no") if height == 8 and method in ("block", "commit") else None
        )
        chain.grow()
        chain.grow()
        await trio.sleep(30)
        assert followed.log.heights == list(range(1, 7))
        assert (
            "the header of block 8 is not there"
            in followed.follower.statistics().trouble
        )
        node.special = lambda *_: None
        await followed.reaches(7, 60)


def evil(chain: MadeChain, height: int = 4) -> Callable[[str, int], Answer | None]:
    """Says something of a block that no header commits to, and that is not so."""

    def special(method: str, at: int) -> Answer | None:
        if (method, at) != ("block_results", height):
            return None
        results = copy.deepcopy(chain.results[height])
        results["txs_results"][0]["events"][0]["attributes"][0]["value"] = "evil"
        return {"result": results}

    return special


async def test_as_many_nodes_as_must_agree_are_asked(autojump_clock: MockClock) -> None:
    chain = MadeChain(40)
    nodes = [FakeNode(chain) for _ in range(3)]
    async with following(*nodes, node=NodeSettings(rate=1e6), agree=2) as followed:
        await followed.reaches(40)
        assert equal(followed.log, chain)
        heights = [at for node in nodes for name, at in node.calls if name == "block"]
        assert all(heights.count(height) == 2 for height in range(1, 41))
        for height in range(41, 50):
            # One of them is behind the others.
            nodes[height % 3].tip = chain.last
            chain.grow()
            for node in nodes:
                await node.announce()
            await followed.reaches(height, 5)
            nodes[height % 3].tip = None
        assert equal(followed.log, chain)


async def test_nothing_is_stored_before_enough_nodes_have_it(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    first, second = FakeNode(chain), FakeNode(chain)
    second.tip = 3
    async with following(first, second, agree=2) as followed:
        await followed.reaches(3)
        await trio.sleep(1000)
        assert followed.log.heights == [1, 2, 3]
        second.special = lambda *_: http(b"", "503 Service Unavailable")
        second.tip = None
        await trio.sleep(1000)
        assert followed.log.heights == [1, 2, 3]
        second.special = lambda *_: None
        await followed.reaches(8, 100)


@pytest.mark.parametrize("liar", [0, 1, 2])
async def test_one_that_says_something_else_is_outvoted(
    liar: int, autojump_clock: MockClock
) -> None:
    chain = MadeChain(8)
    nodes = [FakeNode(chain) for _ in range(3)]
    nodes[liar].special = evil(chain)
    async with following(*nodes, agree=2) as followed:
        await followed.reaches(8, 100)
        assert equal(followed.log, chain)


async def test_nodes_that_disagree_end_it(autojump_clock: MockClock) -> None:
    chain = MadeChain(8)
    honest, liar = FakeNode(chain), FakeNode(chain)
    liar.special = evil(chain)
    async with following(honest, liar, agree=2) as followed:
        text = await stops(followed, Disagreed)
        assert "do not agree on block 4" in text
        assert "they differ in the events of transaction 0" in text
        assert followed.log.heights == [1, 2, 3]


async def test_nodes_that_disagree_only_for_a_while_do_not(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    honest, other = FakeNode(chain), FakeNode(chain)
    left = 2
    said = evil(chain)

    def special(method: str, height: int) -> Answer | None:
        nonlocal left
        answer = said(method, height) if left else None
        left -= answer is not None
        return answer

    other.special = special
    async with following(honest, other, agree=2) as followed:
        await followed.reaches(8, 100)
        assert equal(followed.log, chain)


async def test_too_few_that_have_it_end_it(autojump_clock: MockClock) -> None:
    chain = MadeChain(8)
    whole, pruned = FakeNode(chain), FakeNode(chain)
    pruned.lowest = 5
    async with following(whole, pruned, agree=2, allow_gaps=True) as followed:
        text = await stops(followed, Disagreed)
        assert "only 1 of the nodes can say what block 1 did, and 2 must agree" in text


async def test_too_few_that_are_of_the_chain_end_it(autojump_clock: MockClock) -> None:
    chain = MadeChain(8)
    log = MemoryLog()
    async with following(FakeNode(chain), log=log) as followed:
        await followed.reaches(8)
    other = FakeNode(MadeChain(9, chain_id="other"))
    chain.grow()
    async with following(FakeNode(chain), other, log=log, agree=2) as followed:
        assert "only 1 of them can be asked" in await stops(followed, Disagreed)
    assert log.heights == list(range(1, 9))


async def test_results_that_nothing_confirms_are_never_stored(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(4)
    node = FakeNode(chain)
    node.special = spoiled(chain, "the results")
    async with following(node, confirm=1) as followed:
        await followed.reaches(3)
        chain.grow()
        assert "block 4" in await stops(followed, Unobtainable)
        assert followed.log.heights == [1, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>too much</html>", "429 Too Many Requests", "Retry-After: 7"),
        http(b"<html>bad gateway</html>", "502 Bad Gateway"),
        http(b"<html>hello</html>"),
        http(b'{"jsonrpc":"2.0","id":1,"result":{"height":'),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        http(b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"data":"rate limit"}}'),
        http(b"[]"),
        b"",
    ],
)
async def test_what_is_no_answer_is_asked_for_again(
    answer: bytes, autojump_clock: MockClock
) -> None:
    chain = MadeChain(8)
    node = FakeNode(chain)
    left = 3

    def special(method: str, height: int) -> bytes | None:
        nonlocal left
        if height != 4 or not left:
            return None
        left -= 1
        return answer

    node.special = special
    async with following(node) as followed:
        await followed.reaches(8, 300)
        assert equal(followed.log, chain)


async def test_a_node_without_batches_is_asked_one_by_one(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    node = FakeNode(chain)
    node.takes_batches = False
    async with following(node) as followed:
        await followed.reaches(8)
        assert equal(followed.log, chain)


async def test_what_never_fits_into_an_answer_comes_over_the_websocket(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    node = FakeNode(chain)
    node.special = lambda method, height: (
        b"" if (method, height) == ("block_results", 4) else None
    )
    async with following(node) as followed:
        await followed.reaches(8, 100)
        assert equal(followed.log, chain)
        assert "block_results" in node.over_websocket


async def test_a_body_beyond_the_limit_is_named(autojump_clock: MockClock) -> None:
    chain = MadeChain(8)
    chain.results[4]["txs_results"][0]["log"] = "x" * 10**6
    settings = NodeSettings(body_limit=10**6)
    async with following(FakeNode(chain), node=settings) as followed:
        assert "TooLarge" in await stops(followed, Unobtainable)
        assert followed.log.heights == [1, 2, 3]


async def test_a_node_that_was_down_at_the_start_is_of_use_later(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    lacking, late = FakeNode(chain), FakeNode(chain)
    lacking.executing = {4}
    late.special = lambda *_: http(b"", "503 Service Unavailable")
    async with following(lacking, late) as followed:
        await followed.reaches(3)
        await trio.sleep(100)
        late.special = lambda *_: None
        await followed.reaches(8)
        assert equal(followed.log, chain)


async def test_a_node_that_stays_down_is_waited_for_only_so_long(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    lacking, down = FakeNode(chain), FakeNode(chain)
    lacking.executing = {4}
    down.special = lambda *_: http(b"", "503 Service Unavailable")
    async with following(lacking, down) as followed:
        start = trio.current_time()
        await stops(followed, Unobtainable)
        assert 600 < trio.current_time() - start < 700


async def test_if_no_node_answers_it_waits_for_one(autojump_clock: MockClock) -> None:
    chain = MadeChain(3)
    node = FakeNode(chain)
    node.special = lambda *_: http(b"", "503 Service Unavailable")
    async with following(node) as followed:
        await trio.sleep(300)
        node.special = lambda *_: None
        await followed.reaches(3)


async def test_what_is_older_than_is_kept_is_dropped(autojump_clock: MockClock) -> None:
    log = MemoryLog(keep=3)
    async with following(FakeNode(MadeChain(20)), log=log) as followed:
        await followed.reaches(20)
        await wait_all_tasks_blocked()
        assert log.heights == [18, 19, 20]


class Slow(MemoryLog):
    """Old blocks take many steps."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def prune(self) -> bool:
        self.steps += 1
        return self.steps < 1_000


async def test_blocks_are_stored_between_the_steps_in_which_others_are_dropped(
    autojump_clock: MockClock,
) -> None:
    log = Slow()
    fast = NodeSettings(rate=1e6)
    async with following(FakeNode(MadeChain(20)), log=log, node=fast) as followed:
        await followed.reaches(20)
        assert 20 < log.steps < 1_000


class Broken(MemoryLog):
    """It fails in one of its methods."""

    def __init__(self, method: str) -> None:
        super().__init__()
        setattr(self, method, self._fail)

    def _fail(self, *_: object) -> FollowedTip:
        raise ZeroDivisionError


@pytest.mark.parametrize("method", ["chain", "begin", "last", "append", "prune"])
async def test_what_the_log_raises_comes_by_itself(
    method: str, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["n"] = FakeNode(MadeChain(3))
        node = Node("http://n", NodeSettings(open_tcp=wires.open_tcp), run_sync=inline)
        follower = Follower(
            [node],
            Broken(method),
            FollowSettings(start="earliest"),
            advance=lambda _: None,
            run_sync=inline,
        )
        with pytest.raises(ZeroDivisionError), trio.fail_after(60):
            await follower.run()
        nursery.cancel_scope.cancel()


async def test_a_node_is_tried_over_http_again_if_its_websocket_fails(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    node = FakeNode(chain)
    node.has_websocket = False
    left = 5

    def special(method: str, height: int) -> bytes | None:
        nonlocal left
        if (method, height) != ("block_results", 4) or not left:
            return None
        left -= 1
        return b""

    node.special = special
    async with following(node) as followed:
        await followed.reaches(8, 3600)


async def test_one_of_two_machines_that_still_executes_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(6)
    node, slow = FakeNode(chain), FakeNode(chain)
    slow.tip, slow.executing = 5, {5}
    # Behind one address: only the status comes from the machine that is done.
    slow.special = lambda method, _: (
        {"result": node.status()} if method == "status" else None
    )
    async with following(slow) as followed:
        await followed.reaches(4)
        await trio.sleep(600)
        assert followed.log.heights == [1, 2, 3, 4]
        slow.tip, slow.executing = None, set()
        await followed.reaches(6, 10)


async def test_a_machine_that_cannot_say_is_asked_again(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(8)
    node = FakeNode(chain)
    node.executing = {4}
    node.special = lambda method, height: (
        http(b"", "502 Bad Gateway") if method == "commit" else None
    )
    async with following(node) as followed:
        await followed.reaches(2)
        await trio.sleep(100)
        assert followed.stopped is None
        node.executing = set()
        await followed.reaches(8)


async def test_a_block_that_follows_another_is_no_fork_while_ours_is_there(
    autojump_clock: MockClock,
) -> None:
    chain = MadeChain(6)
    other = chain.copy(3, "other")
    for _ in range(4):
        other.grow()
    node = FakeNode(chain)
    async with following(node) as followed:
        await followed.reaches(6)
        # One lying machine behind the address, for a while.
        node.special = lambda method, height: (
            {"result": (other.blocks if method == "block" else other.results)[7]}
            if height == 7 and method in ("block", "block_results")
            else None
        )
        chain.grow()
        await trio.sleep(60)
        assert followed.log.heights[-1] == 6 and followed.stopped is None
        node.special = lambda *_: None
        await followed.reaches(7, 60)


async def test_what_is_committed_is_announced_even_if_it_is_cancelled(
    autojump_clock: MockClock,
) -> None:
    scope = trio.CancelScope()

    class Cancelling(MemoryLog):
        def append(self, *blocks: FollowedBlock) -> FollowedTip:
            scope.cancel()
            return super().append(*blocks)

    log = Cancelling()
    with scope:
        async with following(FakeNode(MadeChain(9)), log=log) as followed:
            await trio.sleep_forever()
    assert log.heights and followed.advanced == [log.tip()]


async def test_its_statistics_say_what_it_seeks_and_what_is_wrong(
    autojump_clock: MockClock,
) -> None:
    log, chain = MemoryLog(), MadeChain(5)
    log.begin(FollowedChain("made", 1))
    down, other = FakeNode(chain), FakeNode(MadeChain(9, chain_id="other"))
    down.special = lambda method, height: (
        http(b"", "503 Service Unavailable")
        if (method, height) == ("block_results", 3)
        else None
    )
    async with following(down, other, log=log) as followed:
        assert followed.follower.statistics().seeking == 0
        await followed.reaches(2)
        await trio.sleep(60)
        found = followed.follower.statistics()
        assert (found.seeking, found.tip) == (3, 5)
        assert found.trouble.startswith("n0: Overworked: ")
        states = [each.state.value for each in found.nodes]
        assert states == ["troubled", "excluded"]
        down.special = lambda method, height: None
        await followed.reaches(5)
        assert followed.follower.statistics().trouble == ""
