"""The subscribers of `bench.dropin`: many sockets with different queries that only count.

Run as a process of its own, so that receiving does not cost what is measured its core. Connects,
subscribes, writes a line "ready". Then for each step a line with what came: see `Came`. What each
client is owed follows from its query, so counts are kept client by client. Runs of frames of equal
length are not looked at one by one.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from scripts.bench.dropin_queries import MIXES, owed, queries
from scripts.bench.subscribe_receivers import CONNECTING_AT_ONCE, ROUND, masked

KINDS = {
    "engine": "/websocket",
    "dropin": "/websocket",
    "native": "/api/v1/streams/transactions?query=",
    "bare": "/",
}
OPENING, HUNDRED, THE_REST = "opening", "hundred", "rest"
"""Steps: one transaction, a hundred, and what is still to come. Others are seconds."""
QUIET = 12.0
"""Without a byte for so many seconds nothing more is expected."""
START = 60.0
"""Seconds in which a step has to begin."""
REST = 3.0
"""The same after blocks have been made for a while."""
SURPLUS = 0.1
"""Seconds in which more than all may come."""
FIRST_ID = 500_000_000_000
"""Of calls: cosmjs has random numbers of twelve digits, so no two clients' frames are the same."""


class Came(NamedTuple):
    """What one step came to, at all clients together."""

    first: float
    """When, by the monotonic clock, the first message came, and the last."""
    last: float
    messages: int
    size: int
    """Bytes."""
    gone: int
    """Clients that have been cut, or told that they get no more."""
    each: Sequence[int]
    """What each client has had since it came."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / (self.last - self.first) if self.messages > 1 else 0.0


class Client:
    """Counts the messages of one connection."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.messages = self.owed = 0
        self.gone = False
        self._rest = bytearray()

    def count(self, buffer: bytearray, size: int) -> int:
        """Messages in what has come: one that tells an error ends the subscription."""
        if self._rest:
            buffer = self._rest + buffer[:size]
            size = len(buffer)
        at = found = 0
        while (length := frame_size(buffer, at, size)) and at + length <= size:
            if buffer[at] == 0x81:
                equal = equal_frames(buffer, at, size, length)
                if buffer.find(b'"error":{', at, at + 80) >= 0:
                    self.gone = True
                    equal = 1
                else:
                    found += equal
                at += equal * length
            else:
                self._control(bytes(buffer[at : at + length]))
                at += length
        self._rest = buffer[at:size]
        self.messages += found
        return found

    def _control(self, frame: bytes) -> None:
        if frame[0] == 0x89:
            self.socket.send(masked(0xA, frame[2:]))
        elif frame[0] == 0x88:
            self.gone = True


def frame_size(data: bytearray, at: int, size: int) -> int:
    """How long the server's frame at `at` is; 0 if there is too little to say so."""
    if size - at < 10:
        # A frame of less than that is no message.
        return 2 + data[at + 1] if size - at >= 2 and data[at + 1] <= 8 else 0
    length = data[at + 1]
    if length == 126:
        return 4 + (data[at + 2] << 8 | data[at + 3])
    if length == 127:
        return 10 + int.from_bytes(data[at + 2 : at + 10])
    return 2 + length


def equal_frames(data: bytearray, at: int, size: int, length: int) -> int:
    """How many whole frames, from `at` on, have the same first bytes, and so the same length."""
    equal = (size - at) // length
    for part in range(4):
        ones = data[at + part : at + equal * length : length]
        equal = len(ones) - len(ones.lstrip(ones[:1]))
    return equal


class Crowd:
    """Clients that are read from together."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._by_number = {client.socket.fileno(): client for client in clients}
        self._clients = clients
        self._buffer = bytearray(256 * 1024)
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)

    def receive(self, more: Sequence[int]) -> Came:
        """Take messages until all have come that clients are owed or nothing more does."""
        for client, count in zip(self._clients, more):
            client.owed += count
        missing = {
            number
            for number, client in self._by_number.items()
            if client.messages < client.owed and not client.gone
        }

        def patience(first: float) -> float:
            if not missing:
                return SURPLUS
            return QUIET if first else START

        def taken(number: int, client: Client) -> None:
            if client.gone or client.messages >= client.owed:
                missing.discard(number)

        return self._take(patience, taken)

    def receive_for(self, seconds: float) -> Came:
        """Take what comes in so many seconds from the first message on."""
        return self._take(
            lambda first: first + seconds - time.monotonic() if first else START
        )

    def receive_rest(self) -> Came:
        """Take what comes until nothing more does."""
        return self._take(lambda first: REST)

    def _take(
        self,
        patience: Callable[[float], float],
        taken: Callable[[int, Client], None] = lambda number, client: None,
    ) -> Came:
        """Take messages as long as some come within the time that is given after the first."""
        before = sum(client.messages for client in self._clients)
        first = last = 0.0
        size = 0
        while (wait := patience(first)) > 0 and (ready := self._poll.poll(wait)):
            time.sleep(ROUND)
            for number, _ in ready:
                client = self._by_number[number]
                try:
                    some = client.socket.recv_into(self._buffer)
                except ConnectionError:
                    some = 0
                size += some
                if not some:
                    client.gone = True
                    self._poll.unregister(number)
                elif client.count(self._buffer, some):
                    last = time.monotonic()
                    first = first or last
                taken(number, client)
        each = [client.messages for client in self._clients]
        gone = sum(client.gone for client in self._clients)
        return Came(first, last, sum(each) - before, size, gone, each)


def text_frame(text: str) -> bytes:
    """A client's message, with a mask that changes nothing."""
    data = text.encode()
    if len(data) < 126:
        return masked(1, data)
    return b"\x81\xfe" + len(data).to_bytes(2) + bytes(4) + data


def connect(kind: str, port: int, count: int, mix: str) -> list[Client]:
    """So many clients, subscribed."""
    asked = queries(mix)
    clients: list[Client] = []
    while len(clients) < count:
        batch = range(len(clients), min(len(clients) + CONNECTING_AT_ONCE, count))
        opened = [
            (number, socket.create_connection(("127.0.0.1", port))) for number in batch
        ]
        for number, each in opened:
            path = KINDS[kind]
            if path.endswith("="):
                path += quote(asked[number % len(asked)].text)
            head = (
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            each.sendall(head.encode())
        for number, each in opened:
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += each.recv(1)
            if b" 101 " not in answer:
                raise RuntimeError(f"not connected: {answer!r}")
            if KINDS[kind] == "/websocket":
                subscribe(each, FIRST_ID + number, asked[number % len(asked)].text)
            each.setblocking(False)
            clients.append(Client(each))
    return clients


def subscribe(connected: socket.socket, number: int, query: str) -> None:
    """Subscribe as the engine has it."""
    call = {
        "jsonrpc": "2.0",
        "method": "subscribe",
        "id": number,
        "params": {"query": query},
    }
    connected.sendall(text_frame(json.dumps(call)))
    answer = connected.recv(4096)
    if b'"result"' not in answer:
        raise RuntimeError(f"not subscribed: {answer!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("port", type=int)
    parser.add_argument("clients", type=int)
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("steps", nargs="+")
    given = parser.parse_args()
    crowd = Crowd(connect(given.kind, given.port, given.clients, given.mix))
    print("ready", flush=True)
    for step in given.steps:
        if step == OPENING:
            came = crowd.receive(owed(given.mix, given.clients, 1, 0))
        elif step == HUNDRED:
            came = crowd.receive(owed(given.mix, given.clients, 0, 1))
        elif step == THE_REST:
            came = crowd.receive_rest()
        else:
            came = crowd.receive_for(float(step))
        print(json.dumps(came), flush=True)
    signal.pause()  # until whoever reads the lines has enough


if __name__ == "__main__":
    main()
