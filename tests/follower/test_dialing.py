from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.follower.wires import Wires, http, scripted
from trio_stream.follower.dialing import Address, dial
from trio_stream.follower.troubles import Unreachable


def test_addresses() -> None:
    address = Address.of("https://rpc.example/cosmos/")
    assert address[1:] == (True, "rpc.example", 443, "rpc.example", "/cosmos")
    assert Address.of("http://h:26657")[1:] == (False, "h", 26657, "h:26657", "")
    for wrong in (
        "tcp://h:1",
        "h:1",
        "http://",
        "http://u:p@h",
        "http://h/?a",
        "http://h/é",
    ):
        with pytest.raises(ValueError, match="address"):
            Address.of(wrong)


async def test_a_connection() -> None:
    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["node"] = scripted(http(b"1"))
        stream = await dial(Address.of("http://node:5"), wires.open_tcp, None, 10)
        assert wires.dialled == [("node", 5)]
        await stream.aclose()


async def test_none(autojump_clock: MockClock) -> None:
    async def refuses(host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise OSError("refused")

    async def waits(host: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    for open_tcp, text in ((refuses, "refused"), (waits, "within 10 s")):
        with pytest.raises(Unreachable, match=text):
            await dial(Address.of("http://node"), open_tcp, None, 10)


async def test_a_peer_that_speaks_no_tls() -> None:
    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        wires = Wires(nursery)
        wires.serving["node"] = serve
        with pytest.raises(Unreachable, match="TLS failed"):
            await dial(Address.of("https://node"), wires.open_tcp, None, 30)
        nursery.cancel_scope.cancel()
