from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.memory_log import MemoryLog
from tests.websocket_peer import PATH, UPGRADE, request
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.stream.admission import Admission
from trio_stream.stream.position import Position
from trio_stream.websocket.gate import Admitted, Denied, Gate

PEER = "10.0.0.1"


class House:
    """A gate before a log of two blocks."""

    def __init__(self, admission: Admission | None = None) -> None:
        log = MemoryLog()
        log.commit(2)
        log.commit(1)
        self.admission = admission or Admission()
        self.gate = Gate(CommitChannel(log), self.admission, head_limit=1_000)

    async def visit(self, *said: bytes) -> tuple[Admitted | Denied | None, bytes]:
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
