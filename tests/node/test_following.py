"""What a follower consists of: opened together, closed together."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.follow_daemon import serving, settings, until
from tests.follower.chain import MadeChain
from tests.follower.fake_node import FakeNode
from trio_stream.config import Address
from trio_stream.log.errors import LogInUse
from trio_stream.net.tls import CertificateError
from trio_stream.node.following import open_follower

URL = "http://127.0.0.1:9"


async def test_the_source_starts_last_and_each_door_has_an_address(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        opened = await open_follower(settings(tmp_path, URL), stack)
        assert list(opened.tasks)[-3:] == ["stream", "api", "follower"]
        assert opened.addresses.stream.endswith("/api/v1/streams/transactions")
        assert opened.addresses.api == opened.tasks["api"].address
        assert not opened.addresses.abci
        with pytest.raises(LogInUse):
            await open_follower(settings(tmp_path, URL), stack)


async def test_a_taken_port_leaves_no_open_log(tmp_path: Path) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, AsyncExitStack() as stack:
        taken = Address("127.0.0.1", listener.socket.getsockname()[1])
        with pytest.raises(OSError, match=str(taken.port)):
            async with AsyncExitStack() as failed:
                await open_follower(settings(tmp_path, URL, api=taken), failed)
        await open_follower(settings(tmp_path, URL), stack)


async def test_the_certificate_is_read_before_anything_is_opened(
    tmp_path: Path,
) -> None:
    missing = {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"}
    async with AsyncExitStack() as stack:
        with pytest.raises(CertificateError, match="c.pem"):
            await open_follower(settings(tmp_path, URL, **missing), stack)
    assert not (tmp_path / "home").exists()


async def test_what_is_followed_is_told_to_all_tasks(tmp_path: Path) -> None:
    async with serving(FakeNode(MadeChain(3))) as urls, AsyncExitStack() as stack:
        opened = await open_follower(settings(tmp_path, *urls), stack)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for task in opened.tasks.values():
                    await nursery.start(task.run)

                async def has_all() -> bool:
                    await trio.lowlevel.checkpoint()
                    return "block 3" in opened.summary()

                await until(has_all)
                await opened.stop()
