"""What the node consists of: opened together, closed together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from scripts.signing import Key, create, encode
from tests.test_daemon import engine_at
from trio_stream.config import Address, Config
from trio_stream.log.errors import CommitLogError
from trio_stream.net.tls import CertificateError
from trio_stream.node import open_node

ANY = Address("127.0.0.1", 0)


def _config(home: Path, **settings: object) -> Config:
    given = {"home": home, "stream": ANY, "api": ANY, "abci": "tcp://127.0.0.1:0"}
    return Config(**{**given, **settings})  # type: ignore[arg-type]


async def test_sources_start_last_and_each_door_has_an_address(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        node = await open_node(_config(tmp_path), stack)
        assert list(node.tasks)[-3:] == ["abci", "stream", "api"]
        assert node.addresses.abci.startswith("tcp://127.0.0.1:")
        assert node.addresses.stream.endswith("/api/v1/streams/valid_transactions")
        assert node.addresses.api == node.tasks["api"].address


async def test_what_is_open_is_closed_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with AsyncExitStack() as stack:
            await open_node(_config(tmp_path), stack)
            with pytest.raises(CommitLogError):
                await open_node(_config(tmp_path), stack)


async def test_a_taken_port_leaves_no_open_log(tmp_path: Path) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=ANY.host)
    async with listener, AsyncExitStack() as stack:
        taken = Address(ANY.host, listener.socket.getsockname()[1])
        with pytest.raises(OSError, match=str(taken.port)):
            async with AsyncExitStack() as failed:
                await open_node(_config(tmp_path, api=taken), failed)
        await open_node(_config(tmp_path), stack)


async def test_the_certificate_is_read_before_anything_is_opened(
    tmp_path: Path,
) -> None:
    missing = {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    async with AsyncExitStack() as stack:
        with pytest.raises(CertificateError, match="c.pem"):
            await open_node(_config(tmp_path / "home", **missing), stack)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("abci", ["tcp://127.0.0.1:0", "unix"])
async def test_what_an_engine_commits_is_told_to_all_tasks(
    abci: str, tmp_path: Path
) -> None:
    if abci == "unix":
        abci = f"unix://{tmp_path}/abci.sock"
    async with AsyncExitStack() as stack:
        node = await open_node(_config(tmp_path, abci=abci), stack)
        assert (node.addresses.abci == abci) is abci.startswith("unix")
        before = node.summary()
        async with trio.open_nursery() as nursery:
            for task in node.tasks.values():
                await nursery.start(task.run)
            async with engine_at(node.addresses, "C38") as engine:
                await engine.handshake()
                await engine.block(encode(create(Key.from_seed(b"\1" * 32))))
            for task in node.tasks.values():
                task.stop.set()
        assert "block 0" in before and "block 1" in node.summary()
