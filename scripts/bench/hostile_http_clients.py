"""The attackers of `hostile_http`: a process of its own, which ends when it is ended."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

HOST = "127.0.0.1"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"y" * 1000
POST = b"POST /api/v1/transactions HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
LARGE = b"GET /api/v1/blocks/1 HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = 2 * 1024 * 1024

Way = Callable[[trio.SocketStream], Awaitable[None]]


async def attack(
    port: int, addresses: int, again: float, numbers: dict[str, int]
) -> None:
    """So many of each way, all at once, from so many addresses.

    A client that is cut comes again after `again` seconds (0: never).
    """
    ways: dict[str, Way] = {
        "dripping": _drip,
        "unfinished": _unfinished,
        "stalled": _stall,
    }
    begun = 0
    async with trio.open_nursery() as nursery:
        for name, way in ways.items():
            for _ in range(numbers[name]):
                address = f"127.0.0.{1 + begun % addresses}"
                nursery.start_soon(_come, way, port, address, again)
                begun += 1


async def _come(way: Way, port: int, address: str, again: float) -> None:
    while True:
        with suppress(OSError, trio.BrokenResourceError):
            stream = await trio.open_tcp_stream(HOST, port, local_address=address)
            async with stream:
                await way(stream)
        await trio.sleep(again or math.inf)


async def _drip(stream: trio.SocketStream) -> None:
    for byte in HEAD:
        await stream.send_all(bytes([byte]))
        await trio.sleep(10)


async def _unfinished(stream: trio.SocketStream) -> None:
    await stream.send_all(POST % BODY)
    piece = b"z" * 65536
    for _ in range(BODY // len(piece) - 1):
        await stream.send_all(piece)
    await stream.receive_some(1)


async def _stall(stream: trio.SocketStream) -> None:
    await stream.send_all(LARGE)
    await trio.sleep(60)


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    port, addresses, again, dripping, unfinished, stalled = map(int, sys.argv[1:])
    numbers = {"dripping": dripping, "unfinished": unfinished, "stalled": stalled}
    trio.run(attack, port, addresses, again, numbers)


if __name__ == "__main__":
    main()
