from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import h11
import pytest
import trio
import trio_websocket
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests.access.test_tokens import SECRET, entry
from tests.memory_log import MemoryLog
from tests.websocket_door import Door, open_door
from tests.websocket_peer import PATH, PING, PONG, TEXT, UPGRADE, frame, request
from trio_stream.access.guard import Guard
from trio_stream.access.rates import Rate
from trio_stream.access.tokens import read_tokens
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.net.request_reader import Head, RequestReader
from trio_stream.stream.admission import Admission
from trio_stream.stream.position import Position
from trio_stream.stream.resume import Landmarks
from trio_stream.websocket.gate import Admitted, Denied, Gate, headers_of
from trio_stream.websocket.guests import Guest
from trio_stream.websocket.limits import WebSocketLimits

PEER = "10.0.0.1"


class House:
    """A gate before a log of two blocks."""

    def __init__(
        self, admission: Admission | None = None, guard: Guard | None = None
    ) -> None:
        log = MemoryLog()
        log.commit(2)
        log.commit(1)
        self.admission = admission or Admission()
        self.gate = Gate(
            CommitChannel(CommittedBlocks(log)),
            self.admission,
            guard=guard,
            head_limit=1_000,
        )

    async def visit(
        self, *said: bytes
    ) -> tuple[Admitted | Denied | Guest | None, bytes]:
        """What becomes of a client that sends this, and what it is answered."""
        theirs, ours = memory_stream_pair()
        for some in said:
            await theirs.send_all(some)
        await theirs.send_eof()
        client = await self.gate.let_in(ours, PEER)
        await ours.aclose()
        answer = bytearray()
        async for data in theirs:
            answer += data
        return client, bytes(answer)


@pytest.mark.parametrize("pieces", [1, 7, 1_000])
async def test_a_valid_upgrade_is_admitted(pieces: int) -> None:
    house = House()
    head = request(target=PATH + "?after=1&notices=1")
    said = [head[at : at + pieces] for at in range(0, len(head), pieces)]
    said[-1] += b"early"

    client, answer = await house.visit(*said)

    assert isinstance(client, Admitted) and answer == b""
    assert client.address == PEER and client.early == b"early"
    assert client.asked.notices
    assert client.beginning.after == Position.end_of(1)
    assert client.request.startswith(b"GET " + PATH.encode() + b" HTTP/1.1\r\n")
    assert house.admission.present == 1
    house.gate.leave(client)
    assert house.admission.present == 0


@pytest.mark.parametrize(
    ("query", "error"),
    [("after=x", "bad_request"), (f"after={'ab' * 32}", "unknown_transaction")],
)
async def test_a_refusal_is_an_answer_or_a_notice(query: str, error: str) -> None:
    house = House()

    client, answer = await house.visit(request(target=f"{PATH}?{query}"))

    assert client is None and house.admission.present == 0
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 40")
    assert json.loads(body)["error"] == error

    client, answer = await house.visit(request(target=f"{PATH}?{query}&notices=1"))

    assert isinstance(client, Denied) and answer == b""
    assert client.refused.error == error
    assert house.admission.present == 1
    said = dict(headers_of(client))
    assert b"Stream-Position" not in said and said[b"Stream-Tip"] == b"2"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (request(headers={"Host": "a"}), 426),
        (request(target="/elsewhere"), 404),
        (request("POST"), 405),
        (b"GET " + b"x" * 2_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 2_000, 431),
        (b"nonsense\r\n\r\n", 400),
    ],
)
async def test_anything_but_a_valid_upgrade_is_answered(
    said: bytes, status: int
) -> None:
    house = House()

    client, answer = await house.visit(said)

    assert client is None and house.admission.present == 0
    assert answer.startswith(b"HTTP/1.1 %d " % status)


async def test_the_answer_to_head_has_no_body() -> None:
    _, answer = await House().visit(request("HEAD", "/elsewhere"))
    assert answer.startswith(b"HTTP/1.1 404 ") and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("said", [b"", b"GET / HT"])
async def test_a_peer_that_closes_early_gets_no_answer(said: bytes) -> None:
    assert await House().visit(*[said] * bool(said)) == (None, b"")


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 429), ({"X-Forwarded-For": "1.2.3.4"}, None)]
)
async def test_one_too_many_from_an_address_is_refused(
    headers: Mapping[str, str], status: int | None
) -> None:
    house = House(Admission(per_address=1, trusted_proxies=[PEER]))
    first, _ = await house.visit(request())
    assert isinstance(first, Admitted)

    client, answer = await house.visit(request(headers={**UPGRADE, **headers}))

    if status is None:
        assert isinstance(client, Admitted) and client.address == "1.2.3.4"
    else:
        assert client is None and answer.startswith(b"HTTP/1.1 %d " % status)


async def test_a_peer_that_has_gone_is_not_answered(
    autojump_clock: MockClock,
) -> None:
    theirs, ours = memory_stream_pair()
    await theirs.send_all(request(target="/elsewhere"))
    await theirs.receive_stream.aclose()

    assert await House().gate.let_in(ours, PEER) is None
    with trio.move_on_after(1):
        await theirs.aclose()


async def test_the_101_says_what_bigchaindbs_says() -> None:
    async with open_door() as door:
        offers = {
            "Sec-WebSocket-Protocol": "chat",
            "Sec-WebSocket-Extensions": "permessage-deflate",
        }
        peer = await door.subscribe(headers={**UPGRADE, **offers})

        head = peer.head.lower()
        assert b"\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
        assert b"\r\nupgrade: websocket\r\n" in head
        assert b"\r\ncontent-type: application/octet-stream\r\n" in head
        assert b"\r\ndate: " in head and b"\r\nserver: trio_stream/" in head
        assert b"protocol" not in head.partition(b"\r\n")[2]
        assert b"extensions" not in head


async def test_head_is_upgraded_as_well() -> None:
    async with open_door() as door:
        peer = await door.subscribe(method="HEAD")
        door.commit()

        assert await peer.texts(1) == door.texts()


async def test_what_comes_behind_the_request_is_read_after_the_101() -> None:
    async with open_door() as door:
        early = frame(TEXT, b"hello") + frame(PING, b"early")
        peer = await door.subscribe(early=early)

        assert await peer.next() == (PONG, b"early")


async def answer(door: Door, data: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to some bytes; the server closes after it."""
    peer = await door.connect()
    await peer.send(data)
    head, _, body = (await peer.read_all()).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "data",
    [
        request(target="http://elsewhere:80" + PATH),
        b"\r\n" + request(),
    ],
)
async def test_a_target_may_be_absolute_and_an_empty_line_before_it(
    data: bytes,
) -> None:
    async with open_door() as door:
        peer = await door.connect()
        await peer.send(data)
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (request(target="/"), b"404 Not Found", b"404: Not Found"),
        (request(target=PATH + "/"), b"404 Not Found", b"404: Not Found"),
        (request("HEAD", target="/"), b"404 Not Found", b""),
        (
            request("POST") + b"x" * 10_000,
            b"405 Method Not Allowed",
            b"405: Method Not Allowed",
        ),
        (
            request(headers={**UPGRADE, "Upgrade": "h2c"}),
            b"400 Bad Request",
            b'No WebSocket UPGRADE hdr: h2c\n Can "Upgrade" only to "WebSocket".',
        ),
        (
            request(headers={**UPGRADE, "Connection": "close"}),
            b"400 Bad Request",
            b"No CONNECTION upgrade hdr: close",
        ),
        (
            request(headers={**UPGRADE, "Sec-WebSocket-Version": "12"}),
            b"400 Bad Request",
            b"Unsupported version: 12",
        ),
        (
            request(headers={**UPGRADE, "Sec-WebSocket-Key": "abc"}),
            b"400 Bad Request",
            b"Handshake error: 'abc'",
        ),
        (b"hello there\r\n\r\n", b"400 Bad Request", b"400: Bad Request"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            b"400 Bad Request",
            b"400: Bad Request",
        ),
        (
            request(headers={"X": "x" * 20_000}),
            b"431 Request Header Fields Too Large",
            b"431: Request Header Fields Too Large",
        ),
        (
            request(target="/" + "x" * 20_000),
            b"414 URI Too Long",
            b"414: URI Too Long",
        ),
        (request(target="?x"), b"400 Bad Request", b"400: Bad Request"),
        (request("get"), b"501 Not Implemented", b"501: Not Implemented"),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"505 HTTP Version Not Supported",
            b"505: HTTP Version Not Supported",
        ),
    ],
)
async def test_who_may_not_stay_is_told_why(
    data: bytes, status: bytes, body: bytes
) -> None:
    async with open_door() as door:
        head, got = await answer(door, data)

        assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
        assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in head
        assert b"\r\nConnection: close" in head
        assert got == body


async def test_a_plain_get_of_the_right_path_gets_426_and_a_hint() -> None:
    async with open_door() as door:
        head, body = await answer(door, request(headers={"Host": "localhost"}))

        assert head.startswith(
            b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
        )
        assert b"ws://" in body


async def test_who_says_nothing_is_not_waited_for(patient_clock: MockClock) -> None:
    async with open_door() as door:
        silent, dripping = [await door.connect() for _ in range(2)]
        start = trio.current_time()

        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def drip() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    for byte in request():
                        await dripping.send(bytes([byte]))
                        await trio.sleep(1)

            with pytest.raises((trio.BrokenResourceError, trio.EndOfChannel)):
                await silent.next()
            assert trio.current_time() - start == pytest.approx(10, abs=0.1)


async def test_a_client_that_is_admitted_at_the_last_moment_stays(
    patient_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, wrap = MemoryLog.landmarks, trio_websocket.wrap_server_stream

    async def find_late(log: MemoryLog, place: Position | str | None) -> Landmarks:
        await trio.sleep(9.9)
        return await find(log, place)

    async def wrap_late(*given: Any, **more: Any) -> Any:
        await trio.sleep(0.2)
        return await wrap(*given, **more)

    monkeypatch.setattr(MemoryLog, "landmarks", find_late)
    monkeypatch.setattr(trio_websocket, "wrap_server_stream", wrap_late)
    async with open_door(limits=WebSocketLimits(handshake_timeout=10)) as door:
        client = await door.subscribe()
        door.commit()
        assert await client.texts(1) == door.texts()


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        (Admission(total=2), b"503 Service Unavailable"),
        (Admission(per_address=2), b"429 Too Many Requests"),
    ],
)
async def test_one_too_many_is_told_to_come_again(
    limit: Admission, status: bytes
) -> None:
    async with open_door(admission=limit) as door:
        peers = [await door.subscribe() for _ in range(2)]

        head, _ = await answer(door, request())
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nRetry-After: 10\r\n" in head

        peers[0].reset()
        await wait_all_tasks_blocked()
        await door.subscribe()


@pytest.mark.parametrize("said", [b"", request()])
async def test_connections_that_are_not_let_in_have_a_limit_too(said: bytes) -> None:
    async with open_door(limits=WebSocketLimits(max_connections=2)) as door:
        silent = [await door.connect() for _ in range(2)]
        await wait_all_tasks_blocked()

        late = await door.connect()
        await late.send(said)
        told = await late.read_all()
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 10\r\n" in told
        silent[0].reset()
        await wait_all_tasks_blocked()
        await door.subscribe()


async def test_clients_behind_a_trusted_proxy_are_told_apart() -> None:
    admission = Admission(per_address=1, trusted_proxies=["127.0.0.0/8"])

    def from_(address: str) -> Mapping[str, str]:
        return {**UPGRADE, "X-Forwarded-For": f"9.9.9.9, {address}"}

    async with open_door(admission=admission) as door:
        await door.subscribe(headers=from_("1.1.1.1"))
        await door.subscribe(headers=from_("2.2.2.2"))
        head, _ = await answer(door, request(headers=from_("1.1.1.1")))

        assert head.startswith(b"HTTP/1.1 429 ")


def offering(*offers: str) -> bytes:
    return request(headers=UPGRADE | {"Sec-WebSocket-Protocol": ", ".join(offers)})


async def test_with_tokens_a_client_needs_one() -> None:
    guard = Guard(tokens=read_tokens(entry()), make_ticket=lambda: "x", clock=lambda: 0)
    house = House(guard=guard)
    for head in (
        request(),
        request(headers=UPGRADE | {"Authorization": "Bearer wrong"}),
        request(target="/nowhere"),
        offering("ticket.x"),
    ):
        client, answer = await house.visit(head)
        assert client is None and answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        assert b"\r\nWWW-Authenticate: Bearer realm=" in answer
        assert house.admission.present == 0

    allowed = request(headers=UPGRADE | {"Authorization": f"Bearer {SECRET}"})
    client, answer = await house.visit(allowed)
    assert isinstance(client, Admitted) and answer == b""
    assert client.token is not None and client.token.name == "a"
    assert SECRET.encode() not in client.request

    guard.ticket(f"Bearer {SECRET}")
    client, answer = await house.visit(offering("ticket.x", "trio-stream"))
    assert isinstance(client, Admitted)
    assert b"\r\nSec-WebSocket-Protocol: trio-stream\r\n" in client.request


async def test_a_client_that_asks_too_often_is_told_when_to_come_again() -> None:
    house = House(guard=Guard(requests=Rate(1), make_ticket=str, clock=lambda: 0))
    for _ in range(5):
        client, _ = await house.visit(request())
        assert isinstance(client, Admitted) and client.token is None
    client, answer = await house.visit(request())
    assert client is None and answer.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nRetry-After: 1\r\n" in answer


async def test_clients_that_come_and_go_fill_no_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    house = House()
    client, _ = await house.visit(request())
    assert client is not None
    for _ in range(100):
        house.gate.note_arrival(client)
        house.gate.note_departure(client, "closed by the client: 1000")
    said = caplog.messages
    assert said.count(f"{PEER}: subscribed") == 60
    assert said.count(f"{PEER}: closed by the client: 1000") == 60
    assert house.admission.statistics().departed == {"closed by the client": 100}


async def test_a_request_that_was_read_already_is_not_waited_for() -> None:
    house = House()
    reader = RequestReader(head_limit=1_000)
    reader.receive_data(request() + b"early")
    read = reader.next_event()
    assert isinstance(read, h11.Request)
    _, ours = memory_stream_pair()

    head = Head(read, reader.trailing_data[0])
    client = await house.gate.let_in(ours, PEER, head)

    assert isinstance(client, Admitted) and client.early == b"early"
