"""Requests with the answers that a section of BigchainDB's HTTP specification gives them.

All of a table are sent before the first test looks at an answer, to two nodes: as programs send
them, and with one header more, which has them taken by another part of the server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h11
import pytest
import trio

from scripts.signing import encode
from tests.instant_node import instant_node

HTML_404 = b"<title>404 Not Found</title>"
JSON = "application/json"

# What makes a request one that is not plain; it says nothing that the answer would depend on.
WAYS: tuple[Mapping[str, str], ...] = ({}, {"TE": "trailers"})


@dataclass(frozen=True)
class Case:
    """A request, and what the section says of its answer."""

    section: str
    what: str
    path: str
    status: int
    body: bytes | None = None
    """All of it; None: whatever it is."""
    method: str = "GET"
    holds: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, by names in small letters."""
    sent: bytes = b""
    sent_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.section} {self.what}"


@dataclass(frozen=True)
class Reply:
    status: int
    reason: bytes
    headers: Mapping[str, str]
    body: bytes


Replies = Mapping[str, list[Reply]]


def spaced(value: object) -> bytes:
    """As 1.2 says."""
    return json.dumps(value).encode() + b"\n"


def compact(value: object) -> bytes:
    """As 1.2 says."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


def refused(message: str, status: int) -> bytes:
    """An error that BigchainDB makes itself."""
    return compact({"message": message, "status": status})


def named(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Makes a test of each case, under the name of its section."""
    listed = list(cases)
    names = [case.name for case in listed]
    assert not [name for name, times in Counter(names).items() if times > 1]
    return pytest.mark.parametrize("case", listed, ids=names)


def answers(
    home: Path, cases: Iterable[Case], *blocks: Iterable[Mapping[str, object]]
) -> Replies:
    """The answers to each case, by its name, on two nodes that have these blocks."""
    replies: dict[str, list[Reply]] = {}

    async def collect(more: Mapping[str, str]) -> None:
        async with instant_node(home / f"{len(more)}") as node:
            for documents in blocks:
                node.block(*map(encode, documents))
            for case in cases:
                reply = await ask(node.http_url, case, more)
                replies.setdefault(case.name, []).append(reply)

    for more in WAYS:
        trio.run(collect, more)
    return replies


async def ask(url: str, case: Case, more: Mapping[str, str]) -> Reply:
    """The answer to one request on a connection of its own."""
    host, _, port = url.removeprefix("http://").partition(":")
    headers = [("Host", "node:9984"), *case.sent_headers.items(), *more.items()]
    if case.sent or case.method == "POST":
        headers.append(("Content-Length", str(len(case.sent))))
    http = h11.Connection(h11.CLIENT)
    head = h11.Request(method=case.method, target=case.path, headers=headers)
    data = http.send(head) + http.send(h11.Data(case.sent))
    http.send(h11.EndOfMessage())
    with trio.fail_after(60):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(data)
            return await _reply(stream, http)


async def _reply(stream: trio.SocketStream, http: h11.Connection) -> Reply:
    response: h11.Response | None = None
    body = b""
    while True:
        match http.next_event():
            case h11.NEED_DATA:
                http.receive_data(await stream.receive_some())
            case h11.Response() as response:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                assert response is not None
                headers = {n.decode(): v.decode() for n, v in response.headers}
                reason = bytes(response.reason)
                return Reply(response.status_code, reason, headers, body)


def check(case: Case, replies: Replies) -> None:
    """Both answers are what the section says."""
    for reply in replies[case.name]:
        assert reply.status == case.status, reply.body
        if case.body is not None:
            assert reply.body == case.body
        assert case.holds in reply.body, reply.body
        for name, value in case.headers.items():
            assert _comparable(name, reply.headers.get(name, "")) == _comparable(
                name, value
            )


def _comparable(name: str, value: str) -> object:
    # Its order is nobody's business.
    return sorted(value.split(", ")) if name == "allow" else value
