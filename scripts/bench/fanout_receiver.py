"""The subscribers of `bench.fanout`: many sockets in one process that only count bytes.

Run as a process of its own, so that receiving does not cost what is measured its core.
Connects, upgrades, writes a line "ready"; then, for each block of so many bytes, a line with
the time (of the monotonic clock, which all processes share) at which the last client had
all of it; with --each, the times of all clients. The last clients of --stalled read nothing.
It ends with its standard input, so that no client leaves while something is still measured.
"""

from __future__ import annotations

import argparse
import select
import socket
import ssl
import sys
import time

PATH = "/api/v1/streams/valid_transactions"
REQUEST = (
    f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()
CONNECTING_AT_ONCE = 200


def connect(port: int, count: int, tls: bool) -> list[socket.socket]:
    """So many clients, subscribed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connected: list[socket.socket] = []
    while len(connected) < count:
        batch: list[socket.socket] = []
        for number in range(
            len(connected), min(len(connected) + CONNECTING_AT_ONCE, count)
        ):
            # One address has too few ports for very many connections.
            address = (f"127.0.0.{1 + number // 10_000}", 0)
            client = socket.create_connection(
                ("127.0.0.1", port), source_address=address
            )
            if tls:
                client = context.wrap_socket(client)
            client.sendall(REQUEST)
            batch.append(client)
        for client in batch:
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.recv(1)
            assert answer.startswith(b"HTTP/1.1 101"), answer
            client.setblocking(False)
        connected += batch
    return connected


def count_blocks(
    clients: list[socket.socket], size: int, blocks: int, *, each: bool
) -> None:
    """Write when each block has reached everybody, or each of them."""
    by_number = {client.fileno(): client for client in clients}
    received = dict.fromkeys(by_number, 0)
    missing = [len(clients)] * blocks
    times: list[list[float]] = [[] for _ in range(blocks if each else 0)]
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    buffer = bytearray(256 * 1024)
    done = 0
    while done < blocks:
        for number, _ in poll.poll():
            while True:
                try:
                    got = by_number[number].recv_into(buffer)
                except (BlockingIOError, ssl.SSLWantReadError):
                    break
                assert got, "the server has closed a connection"
                before = received[number] // size
                received[number] += got
                for block in range(before, min(received[number] // size, blocks)):
                    missing[block] -= 1
                    if each:
                        times[block].append(time.monotonic())
                if got < len(buffer) and not isinstance(
                    by_number[number], ssl.SSLSocket
                ):
                    break
        now = time.monotonic()
        while done < blocks and not missing[done]:
            print(*(times[done] if each else [now]), flush=True)
            done += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("size", type=int)
    parser.add_argument("blocks", type=int)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--stalled", type=int, default=0)
    given = parser.parse_args()
    clients = connect(given.port, given.clients, given.tls)
    print("ready", flush=True)
    reading = clients[: len(clients) - given.stalled]
    count_blocks(reading, given.size, given.blocks, each=given.each)
    sys.stdin.read()


if __name__ == "__main__":
    main()
