from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from trio_stream.jsonrpc.shares import STEP_BYTES, NoRoom, Shares
from trio_stream.net.room import PATIENCE, SMALL


async def test_an_answer_takes_room_as_it_comes_and_gives_it_back() -> None:
    shares = Shares()
    with shares.one() as share:
        await share.hold(5)
        assert shares.taken == SMALL
        await share.hold(SMALL)
        assert shares.taken == SMALL
        await share.hold(SMALL + 1)
        assert shares.taken == SMALL + STEP_BYTES
        await share.hold(5 * STEP_BYTES)
        assert 5 * STEP_BYTES <= shares.taken < 6 * STEP_BYTES
        share.keep(5 * STEP_BYTES)
        assert shares.taken == 5 * STEP_BYTES
        share.keep(7)
        share.keep(70)
        assert shares.taken == 7
    assert shares.taken == 0


async def test_who_finds_no_room_in_time(autojump_clock: MockClock) -> None:
    shares = Shares(8 * STEP_BYTES)
    with shares.one() as one, shares.one() as two:
        await one.hold(7 * STEP_BYTES)
        start = trio.current_time()
        with pytest.raises(NoRoom):
            await two.hold(STEP_BYTES)
        assert trio.current_time() == start + PATIENCE
        # The last eighth is for small ones.
        await two.hold(SMALL)
        assert shares.taken == 7 * STEP_BYTES + SMALL
    with shares.one() as one, shares.one() as two, trio.fail_after(PATIENCE):
        await one.hold(7 * STEP_BYTES)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(two.hold, 3 * STEP_BYTES)
            await trio.sleep(1)
            one.keep(STEP_BYTES)
    assert shares.taken == 0
