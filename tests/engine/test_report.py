"""What the ABCI door logs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.abci.engine_side import DIALECTS, encode_request
from tests.abci_door import FLUSH, LIMIT, read_exactly, read_to_end, serving
from tests.fake_engine import Block, FakeEngine
from trio_stream.abci import messages as m
from trio_stream.abci.connection import AbciConnection, RemoteProtocolError
from trio_stream.engine.places import LEFT_AT_ONCE_SECONDS, AbciGuest
from trio_stream.engine.report import Report, warn_if_exposed


async def test_a_health_check_and_strangers_do_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served, FakeEngine("C38", served.connect) as engine:
        await engine.handshake()
        before = len(caplog.records)
        for _ in range(200):
            await engine.info()
        assert len(caplog.records) == before
        for _ in range(200):
            stranger = await served.connect()
            await stranger.send_all(b"GET / HTTP/1.1\r\n\r\n")
            await read_to_end(stranger)
        assert len(caplog.records) < before + 100


async def ask_and_leave(connect: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
    """What an engine does whose chain is not this one."""
    async with FakeEngine("T34", connect) as engine:
        await engine.info()


async def test_an_engine_that_asks_for_the_height_and_exits_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        served.application.height = 7
        await ask_and_leave(served.connect)
        await trio.testing.wait_all_tasks_blocked()
        (warning,) = [each for each in caplog.messages if "exited at once" in each]
    assert "an engine (T34) asked for the height of this log (7)" in warning
    assert "app block height (7) is higher than core (M)" in warning
    assert "trio-stream rollback --to-height M (0 after a reset)" in warning
    assert "delete nothing" in warning


async def test_other_ways_to_leave_are_not_taken_for_a_disagreement(
    caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    async with serving() as served:
        await ask_and_leave(served.connect)  # a new log disagrees with nobody
        served.application.height = 7
        tool = await served.connect()
        await tool.send_all(encode_request(DIALECTS["C38"].info, DIALECTS["C38"]))
        await read_exactly(tool, 1)
        await tool.aclose()
        async with FakeEngine("C38", served.connect) as engine:
            await engine.info()
            await trio.sleep(LEFT_AT_ONCE_SECONDS + 1)  # up, then stopped
        async with FakeEngine("C38", served.connect) as engine:
            await engine.info()
            engine.chain.blocks = [block(n) for n in range(7)]
            await engine.block(b"a")  # goes on, then killed
        await trio.testing.wait_all_tasks_blocked()
    assert "exited at once" not in caplog.text


def block(height: int) -> Block:
    return Block(height, (), m.Time(0, 0), (), b"")


async def test_the_log_names_the_dialect_and_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served, FakeEngine("T33", served.connect) as engine:
        await engine.handshake()
        await engine.block()

    assert "abci connection 1 opened" in caplog.text
    assert "abci connection 1 speaks T33 (version '0.33.9')" in caplog.text
    assert "height 1 is committed" in caplog.text
    assert "abci connection 3 (T31-T33) closed" in caplog.text
    assert "the latest Info" not in caplog.text


async def test_a_connection_whose_dialect_is_not_that_of_info_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served, FakeEngine("T33", served.connect) as engine:
        await engine.handshake()
        other = await served.connect()
        await other.send_all(FLUSH)
        await read_exactly(other, 3)

    assert (
        "speaks C37-C10, but the latest Info came from an engine that speaks T31-T33"
        in caplog.text
    )


async def test_at_debug_each_request_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as served, FakeEngine("C38", served.connect) as engine:
        await engine.check(b"good")
    assert "abci connection 3: CheckTx" in caplog.text


async def test_troubles_of_a_connection_are_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await trio.lowlevel.checkpoint()
    guest = AbciGuest(7, "10.0.0.1", AbciConnection(frame_limit=LIMIT))
    report = Report()
    report.failed(guest, m.Failure("no"))
    report.broke(guest, RemoteProtocolError("bad length"))
    report.gives_way(guest, 64)
    report.takes_too_much(guest)
    assert caplog.messages == [
        "abci connection 7 was answered with an exception: no",
        "abci connection 7 from 10.0.0.1 broke the protocol: bad length",
        "64 abci connections are open: closing number 7 from 10.0.0.1 to make room for another",
        "closing abci connection 7 from 10.0.0.1: unanswered messages hold too many bytes",
    ]


@pytest.mark.parametrize(("host", "warns"), [("127.0.0.1", False), ("0.0.0.0", True)])
async def test_a_door_that_others_can_reach_is_a_warning(
    host: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=host)
    async with listener:
        warn_if_exposed([listener], f"tcp://{host}:0")
    assert [f"bound to tcp://{host}:0" in each for each in caplog.messages] == (
        [True] if warns else []
    )
