"""The subscribers of `bench.subscribe`: many sockets in one process that only count messages.

Run as a process of its own, so that receiving does not cost what is measured its core. Connects,
subscribes, writes a line "ready". Then for each step (a block of so many events) a line: the times
(of the monotonic clock) of the first and of the last message, how many came in all, and how many
clients have been cut or told that they will get no more; and the same for those who stall, which
begin to read when all others have what they wait for.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import socket
import time
from collections.abc import Callable

PATHS = {
    "engine": "/websocket",
    "daemon": "/api/v1/streams/valid_transactions",
    "bare": "/",
}
SUBSCRIBE = json.dumps(
    {
        "jsonrpc": "2.0",
        "method": "subscribe",
        "id": 1,
        "params": {"query": "tm.event='Tx'"},
    }
).encode()
QUIET = 8.0
"""Without a byte for so many seconds nothing more of a block is expected."""
START = 60.0
"""Seconds in which a block has to begin."""
ROUND = 0.001
"""Seconds between two rounds over the sockets while a block comes. Without them a server pays for
waking this process with every send, which it would not if its clients were elsewhere."""
CONNECTING_AT_ONCE = 50
STALLED_BUFFER = 4096


def masked(opcode: int, payload: bytes | bytearray = b"") -> bytes:
    """A client's frame of less than 126 bytes, with a mask that changes nothing."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


def frame(data: bytearray, at: int, size: int | None = None) -> tuple[int, int] | None:
    """Where the payload of the server's frame at `at` begins and ends, if all of it is there."""
    size = len(data) if size is None else size
    if size - at < 2:
        return None
    length, body = data[at + 1], at + 2
    if length >= 126:
        body += 2 if length == 126 else 8
        if size < body:
            return None
        length = int.from_bytes(data[at + 2 : body])
    return (body, body + length) if body + length <= size else None


class Client:
    """Counts the messages of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.messages = 0
        self.gone = False
        self._rest = bytearray()

    def count(self, buffer: bytearray, size: int) -> int:
        """Messages in what the engine sent: one that tells an error ends the subscription."""
        data = self._rest + buffer[:size]
        at = found = 0
        while (bounds := frame(data, at)) is not None:
            body, end = bounds
            if data[at] == 0x81:
                self.gone |= data.find(b'"error":', body, end) >= 0
                found += not self.gone
            else:
                self._control(data[at], data[body:end])
            at = end
        self._rest = data[at:]
        return found

    def count_ours(self, buffer: bytearray, size: int) -> int:
        """The same for the daemon's: as long as they are equally long, not one by one."""
        if self._rest:
            buffer = self._rest + buffer[:size]
            size = len(buffer)
        at = found = 0
        while (bounds := frame(buffer, at, size)) is not None:
            body, end = bounds
            if buffer[at] == 0x81:
                length = end - at
                first_bytes = buffer[at : size - length + 1 : length]
                equal = len(first_bytes) - len(first_bytes.lstrip(b"\x81"))
                found += equal
                at += equal * length
            else:
                self._control(buffer[at], buffer[body:end])
                at = end
        self._rest = buffer[at:size]
        return found

    def _control(self, first_byte: int, payload: bytes | bytearray) -> None:
        if first_byte == 0x89:
            self.socket.send(masked(0xA, payload))
        elif first_byte == 0x88:
            self.gone = True


Count = Callable[[Client, bytearray, int], int]


def open_socket(port: int, receive_buffer: int) -> socket.socket:
    opened = socket.socket()
    if receive_buffer:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    opened.connect(("127.0.0.1", port))
    return opened


def connect(
    kind: str, port: int, count: int, *, receive_buffer: int = 0
) -> list[Client]:
    """So many clients, subscribed."""
    head = (
        f"GET {PATHS[kind]} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    clients: list[Client] = []
    while len(clients) < count:
        batch = []
        for _ in range(min(CONNECTING_AT_ONCE, count - len(clients))):
            batch.append(open_socket(port, receive_buffer))
            batch[-1].sendall(head)
        for each in batch:
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += each.recv(1)
            if b" 101 " not in answer:
                raise RuntimeError(f"not connected: {answer!r}")
            if kind == "engine":
                each.sendall(masked(0x1, SUBSCRIBE))
                while b'"result"' not in (answer := each.recv(4096)):
                    if b'"error"' in answer or not answer:
                        raise RuntimeError(f"not subscribed: {answer!r}")
            each.setblocking(False)
            clients.append(Client(each))
    return clients


class Crowd:
    """Clients that are read from together."""

    def __init__(self, clients: list[Client], count: Count) -> None:
        self._by_number = {client.socket.fileno(): client for client in clients}
        self._count = count
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)

    def receive(self, wanted: int, patience: float) -> tuple[float, float, int, int]:
        """Take messages until all have come or nothing more does: first, last, came, gone."""
        by_number, count = self._by_number, self._count
        missing, came, first, last = wanted * len(by_number), 0, 0.0, 0.0
        buffer = bytearray(256 * 1024)
        while missing > 0:
            ready = self._poll.poll(QUIET if first else patience)
            if not ready:
                break
            time.sleep(ROUND)
            for number, _ in ready:
                client = by_number[number]
                try:
                    size = client.socket.recv_into(buffer)
                except ConnectionError:
                    size = 0
                if not size:
                    client.gone = True
                    self._poll.unregister(number)
                elif found := count(client, buffer, size):
                    last = time.monotonic()
                    first = first or last
                    came += found
                    missing -= found
        gone = sum(client.gone for client in by_number.values())
        return first, last, came, gone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=PATHS)
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("stalled", type=int)
    parser.add_argument("steps", type=int, nargs="+")
    given = parser.parse_args()
    count = Client.count if given.kind == "engine" else Client.count_ours
    readers = Crowd(connect(given.kind, given.port, given.clients), count)
    some = connect(given.kind, given.port, given.stalled, receive_buffer=STALLED_BUFFER)
    stalled = Crowd(some, count)
    print("ready", flush=True)
    for wanted in given.steps:
        found = readers.receive(wanted, START), stalled.receive(wanted, QUIET)
        print(json.dumps(found), flush=True)
    signal.pause()  # until whoever reads the lines has enough


if __name__ == "__main__":
    main()
