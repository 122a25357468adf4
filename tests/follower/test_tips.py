from __future__ import annotations

import trio
from trio.testing import MockClock

from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from tests.follower.following import inline
from tests.follower.wires import Wires, http
from trio_stream.follower.nodes import Node, NodeSettings
from trio_stream.follower.tips import Tips


async def nodes(*tips: int) -> list[Node]:
    await trio.lowlevel.checkpoint()
    made = []
    for number, tip in enumerate(tips):
        made.append(Node(f"http://n{number}", NodeSettings(), run_sync=inline))
        made[-1].tip = tip
    return made


async def test_the_newest_block_is_one_that_enough_nodes_have() -> None:
    known = await nodes(5, 9, 7)
    assert [Tips(known, agree=number).newest for number in (1, 2, 3, 4)] == [9, 7, 5, 0]
    assert Tips([]).newest == 0


async def test_each_node_has_its_share_and_nobody_agrees_with_itself() -> None:
    known = await nodes(9, 9, 5)
    tips = Tips(known)
    assert [tips.choose(height) for height in (6, 7, 8)] == [
        known[0],
        known[1],
        known[0],
    ]
    both = Tips(known, agree=2)
    for height in (4, 5):
        assert [both.choose(height, number) for number in range(4)] == [*known, None]
    assert [both.choose(6, number) for number in range(3)] == [*known[:2], None]
    known[0].lowest = 7
    assert tips.choose(6) is known[1]
    known[1].pace.trouble()
    assert tips.choose(6) is None


async def test_all_are_asked_until_enough_have_it(autojump_clock: MockClock) -> None:
    fakes = [FakeNode(MadeChain(last)) for last in (3, 5, 6, 9)]
    fakes[1].takes = 5.0
    fakes[3].special = lambda *_: http(b"", "503 Service Unavailable")
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving.update({f"n{number}": fake for number, fake in enumerate(fakes)})
        given = NodeSettings(open_tcp=wires.open_tcp, rate=1e6)
        known = [
            Node(f"http://n{number}", given, run_sync=inline) for number in range(4)
        ]
        tips = Tips(known, agree=2)
        await tips.poll(3)
        assert (tips.newest, known[1].tip) == (3, 0)
        await tips.poll(5)
        assert tips.newest == 5
        # Nobody has it: all have been asked.
        await tips.poll(10)
        assert tips.newest == 5
        for each in known:
            await each.aclose()
        nursery.cancel_scope.cancel()
