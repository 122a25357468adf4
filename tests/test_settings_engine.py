"""Settings of the ABCI door, and of what is kept of transactions, in force in the whole daemon."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scripts.signing import Key, create, encode
from tests.state_syncing import made, snapshots
from tests.still_daemon import is_open, still
from tests.stub_rpc import StubRpc
from tests.test_daemon import engine_at, host_and_port, running, settings
from trio_stream.abci.framing import write_varint
from trio_stream.transactions import candidate

MIB = 1024 * 1024
HEAD = "HTTP/1.1\r\nHost: a\r\n"
POST = f"POST /api/v1/transactions {HEAD}Content-Length: "


def check_tx(size: int, count: int) -> bytes:
    """The beginning of a message of this size, with the given number of bytes of its body."""
    tag = b"\x42"
    member = size - len(tag) - len(write_varint(size - 5))
    return write_varint(size) + tag + write_varint(member) + bytes(count)


async def test_frame_limit(tmp_path: Path, mock_clock: MockClock) -> None:
    async with still(settings(tmp_path, frame_limit=2 * MIB), mock_clock) as daemon:
        good = await daemon.connect("abci", check_tx(2 * MIB, 9))
        bad = await daemon.connect("abci", check_tx(2 * MIB + 1, 9))
        async with good, bad:
            await daemon.until(lambda: not is_open(bad))
            assert is_open(good)


async def test_unfinished_messages_may_take_twice_the_frame_limit(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    async with still(settings(tmp_path, frame_limit=2 * MIB), mock_clock) as daemon:
        begun = [await daemon.connect("abci") for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for client in begun:
                nursery.start_soon(_send, client, check_tx(2 * MIB, 3 * MIB // 2))
            await daemon.until(lambda: not all(map(is_open, begun)))
            await daemon.settle()
            assert sum(map(is_open, begun)) == 2
            nursery.cancel_scope.cancel()
        for client in begun:
            await client.aclose()


async def _send(client: trio.SocketStream, data: bytes) -> None:
    try:
        await client.send_all(data)
    except trio.BrokenResourceError:  # gave way
        pass


@pytest.mark.parametrize("cache_bytes", [64 * MIB, 0])
async def test_cache_bytes(
    tmp_path: Path, cache_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was posted is not looked at again by the mempool's check, nor in a block."""
    made = []

    class Counted(candidate.Candidate):
        __slots__ = ()

        def __init__(
            self, raw: bytes, sha256: bytes, *, with_document: bool = False
        ) -> None:
            made.append(raw)
            super().__init__(raw, sha256, with_document=with_document)

    monkeypatch.setattr(candidate, "Candidate", Counted)
    body = encode(create(Key.from_seed(b"\x01" * 32)))
    async with StubRpc().serving() as rpc:
        config = settings(tmp_path, node=rpc.url, cache_bytes=cache_bytes)
        async with running(config) as addresses, engine_at(addresses, "C38") as engine:
            await engine.handshake()
            place = host_and_port(addresses.api)
            async with await trio.open_tcp_stream(*place) as client:
                await client.send_all(f"{POST}{len(body)}\r\n\r\n".encode() + body)
                assert b" 202 " in await client.receive_some()
            raw = b64decode(rpc.calls[0]["params"][0])
            assert [each.code for each in await engine.check(raw)] == [0]
            assert [each.code for each in (await engine.block(raw)).results] == [0]
    assert set(made) == {raw}
    assert (len(made) == 1) == (cache_bytes > 0)


@pytest.mark.parametrize(("interval", "keep"), [(2, 1), (2, 2), (3, 1)])
async def test_snapshot_interval_and_snapshot_keep(
    tmp_path: Path, interval: int, keep: int
) -> None:
    config = settings(tmp_path, snapshot_interval=interval, snapshot_keep=keep)
    async with running(config) as addresses:
        async with engine_at(addresses, "C38") as engine:
            await engine.handshake()
            for height in range(1, 7):
                await engine.block()
                if height % interval == 0:
                    await made(engine, height)
            heights = [each.height for each in await snapshots(engine)]
    assert heights == [6, 6 - interval][:keep]
