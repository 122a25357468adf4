"""The subscribers of `bench.replay`: sockets in a process of their own that count bytes.

    python -m scripts.bench.replay_receivers PORT CLIENTS BYTES
        [--target TARGET] [--check] [--for-ever]

Writes "ready", waits for a line, connects and asks with all clients at once, and writes a line with
two times (of the monotonic clock, which all processes share): of that, and of the moment at which
the last one had so many bytes of frames. With --check there follows the SHA-256 of what the first
one got. With --for-ever each begins again when it has them, until this is killed.
"""

from __future__ import annotations

import argparse
import hashlib
import select
import socket
import sys
import time

from scripts.bench.fanout_receiver import PATH

_BUFFER = 1 << 20


class Client:
    """One socket, and how much it has got."""

    def __init__(self, port: int, number: int, request: bytes) -> None:
        # One address has too few ports for very many connections.
        self._address = (f"127.0.0.{1 + number // 10_000}", 0)
        self._port = port
        self._request = request
        self.kept: list[bytes] | None = None

    def begin(self) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", self._port), source_address=self._address
        )
        self._head = bytearray()
        self._upgraded = False
        self.received = 0
        self.socket.sendall(self._request)
        self.socket.setblocking(False)

    def take(self, data: memoryview) -> None:
        """What was read."""
        if not self._upgraded:
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                raise SystemExit(f"not subscribed: {bytes(self._head)!r}")
            self._upgraded = True
            data = memoryview(bytes(rest))
        self.received += len(data)
        if self.kept is not None:
            self.kept.append(bytes(data))


def receive(clients: list[Client], size: int, *, for_ever: bool) -> None:
    """Read until all have that much."""
    by_number = {client.socket.fileno(): client for client in clients}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    buffer = memoryview(bytearray(_BUFFER))
    while by_number:
        for number, _ in poll.poll():
            client = by_number[number]
            got = client.socket.recv_into(buffer)
            client.take(buffer[:got])
            if client.received >= size:
                del by_number[number]
                poll.unregister(number)
                if for_ever:
                    client.socket.close()
                    client.begin()
                    by_number[client.socket.fileno()] = client
                    poll.register(client.socket, select.EPOLLIN)
            elif not got:
                raise SystemExit(f"closed after {client.received:,} of {size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("--target", default=f"{PATH}?after=earliest")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--for-ever", action="store_true")
    given = parser.parse_args()
    request = (
        f"GET {given.target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    clients = [Client(given.port, n, request) for n in range(given.clients)]
    if given.check:
        clients[0].kept = []
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.monotonic()
    for client in clients:
        client.begin()
    receive(clients, given.size, for_ever=given.for_ever)
    print(began, time.monotonic(), flush=True)
    if given.check:
        got = b"".join(clients[0].kept or [])[: given.size]
        print(hashlib.sha256(got).hexdigest(), flush=True)


if __name__ == "__main__":
    main()
