"""Clients on real sockets that take what they like, while blocks come: a frame is lost, repeated,
torn or out of order for nobody.

What happens when is drawn from a seed: how much a socket takes of a send, how much a client reads,
what it subscribes to and no more, pings, blocks, gaps, and how each client ends.
"""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from tests.jsonrpc.drop_in import PATIENCE, site
from tests.jsonrpc.scheduled import FIRST, NotHeard, Reader, check, passes
from tests.log.followed.made import event, made, transfer
from trio_stream.cometbft.followed import FollowedBlock, Gap

STEPS = 150


def drawn_block(height: int, drawn: random.Random) -> FollowedBlock:
    txs = []
    for _ in range(drawn.choice([0, 1, 2, 3, 3, 12])):
        size = drawn.choice([1, 10, 200, 3000, drawn.choice([10, 70_000])])
        txs.append([transfer(drawn.choice("abc")), event("x", "k=" + "v" * size)])
    return made(height, *txs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_when(tmp_path, seed):
    drawn = random.Random(seed)
    blocks = [drawn_block(FIRST, drawn)]
    async with site(tmp_path, *blocks, passes=passes) as here:
        readers: list[Reader] = []
        left: list[Reader] = []
        tip = FIRST
        with trio.fail_after(PATIENCE):
            for _ in range(STEPS):
                what = drawn.choice(
                    ["come", "go"] + ["block", "act"] * 6 + ["read", "drain"] * 5
                )
                if what == "come" and len(readers) < 5:
                    readers.append(Reader(here, drawn))
                    here.nursery.start_soon(readers[-1].serve)
                elif what == "go" and len(readers) > 3:
                    gone = readers.pop(drawn.randrange(len(readers)))
                    gone.peer.close()
                    left.append(gone)
                elif what == "block":
                    some: list[FollowedBlock | Gap] = []
                    for _ in range(drawn.choice([1, 1, 2, 5])):
                        tip += 1
                        if drawn.random() < 0.02:
                            some.append(Gap(tip, tip, "pruned", ""))
                        else:
                            blocks.append(drawn_block(tip, drawn))
                            some.append(blocks[-1])
                    here.append(*some)
                elif readers:
                    reader = drawn.choice(readers)
                    if what == "drain":
                        while reader.read(100_000, tip):
                            await trio.testing.wait_all_tasks_blocked()
                    elif what == "read":
                        reader.read(drawn.choice([1, 100, 5000, 100_000]), tip)
                    else:
                        try:
                            reader.act(tip)
                        except NotHeard:
                            pass
                if drawn.random() < 0.3:
                    await trio.testing.wait_all_tasks_blocked()
                for _ in range(drawn.randint(0, 3)):
                    await trio.lowlevel.checkpoint()
            # Now all of them take everything.
            going_on = True
            while going_on:
                await trio.testing.wait_all_tasks_blocked(0.002)
                going_on = any([each.read(100_000, tip) for each in readers])
        for reader in readers:
            assert reader.pongs == reader.pings
            assert not reader.served.is_set()
            assert not {"subscribe", "unsubscribe", "status"} & set(
                reader.asked.values()
            )
            for each in reader.all.values():
                check(each, blocks, tip)
            reader.peer.close()
        for reader in left:
            for each in reader.all.values():
                if each.has_begun:
                    check(each, blocks, None)
        for reader in [*readers, *left]:
            await reader.served.wait()
        assert here.door.statistics().clients == 0
