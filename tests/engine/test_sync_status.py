"""What an engine says about itself, asked over a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.stub_rpc import StubRpc, http_answer, internal_error
from trio_stream.engine.sync_status import (
    FRESH_SECONDS,
    PATIENCE,
    EngineStatus,
    SyncStatus,
    read_status,
)


def said(height: object = "7", **more: object) -> dict[str, Any]:
    sync = {"latest_block_height": height, "catching_up": False, **more}
    return {"result": {"node_info": {"version": "0.38.26"}, "sync_info": sync}}


async def test_it_is_asked_once_in_a_second(
    stub: StubRpc, patient_clock: MockClock
) -> None:
    stub.answers += [said(), said("8", catching_up=True)]
    status = SyncStatus(stub.url)
    found: list[EngineStatus | None] = []

    async def ask() -> None:
        found.append(await status.newest())

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert found == [EngineStatus(7, False, "0.38.26")] * 20
    assert [call["method"] for call in stub.calls] == ["status"]
    await trio.sleep(FRESH_SECONDS)
    assert await status.newest() == EngineStatus(8, True, "0.38.26")
    assert stub.connections == 1
    await status.aclose()


async def test_an_engine_that_hangs_keeps_nobody_waiting_for_long(
    stub: StubRpc, patient_clock: MockClock
) -> None:
    stub.hold = trio.Event()
    status = SyncStatus(stub.url)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(status.newest)
    assert trio.current_time() - began == pytest.approx(PATIENCE)
    assert await status.newest() is None


async def test_an_engine_that_is_not_there_is_no_error() -> None:
    assert await SyncStatus("http://127.0.0.1:1").newest() is None


@pytest.mark.parametrize(
    "answer",
    [
        internal_error("no"),
        {"result": []},
        {"result": {"sync_info": {}}},
        said(None),
        said("many"),
        http_answer(b"["),
        http_answer(b"[" * 60_000),
    ],
)
async def test_any_other_answer_is_none(
    stub: StubRpc, answer: dict[str, Any] | bytes
) -> None:
    stub.answers.append(answer)
    status = SyncStatus(stub.url)
    assert await status.newest() is None
    await status.aclose()


def test_the_version_is_cut_short() -> None:
    answer = said()
    answer["result"]["node_info"]["version"] = "x" * 1000
    assert read_status(json.dumps(answer).encode()) == EngineStatus(7, False, "x" * 40)
