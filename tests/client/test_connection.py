"""One connection of a client: its deadlines, its end, TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trio
from trio.testing import (
    MockClock,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from scripts.certificate import write_certificate
from tests.client.asking import open_network, options, take
from tests.scripted_server import (
    ALL,
    Act,
    Network,
    Visit,
    message,
    rejecting,
    serve,
)
from trio_stream.client import Refused, ServerFault, open_stream
from trio_stream.client.connection import ConnectionSettings
from trio_stream.client.session import HAND_OVER


async def test_a_server_that_is_silent_is_left(autojump_clock: MockClock) -> None:
    async def silent(visit: Visit) -> None:
        await visit.accept()
        await visit.until_gone(pong=False)

    async with open_network() as network:
        network.host("a", silent, serve())
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            began = trio.current_time()
            await take(events, 1)
    assert 9 <= trio.current_time() - began < 11


async def test_a_quiet_server_that_answers_is_kept(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", serve())
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            await take(events, 5)
            with trio.move_on_after(1_000):
                await take(events)
    assert len(network.visits) == 1


async def test_a_server_that_talks_is_not_pinged(autojump_clock: MockClock) -> None:
    asked: list[object] = []

    async def talking(visit: Visit) -> None:
        await visit.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, visit)
            for each in ALL:
                await trio.sleep(2)
                await visit.send(each)
            nursery.cancel_scope.cancel()

    async def listen(visit: Visit) -> None:
        asked.append(await visit.stream.receive_some())

    async with open_network() as network:
        network.host("a", talking)
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 5) == ALL
    assert asked == []


@pytest.mark.parametrize("more", range(4))
async def test_a_slow_caller_gets_what_was_sent_before_a_close(
    autojump_clock: MockClock, more: int
) -> None:
    events_sent = [message(height, 0) for height in range(1, HAND_OVER + more)]

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*events_sent)
        await visit.close(1000)

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, until="tip")
        async with open_stream("ws://a", **asking) as events:
            await trio.sleep(1_000)
            assert await take(events) == events_sent


async def test_a_slow_caller_is_not_a_silent_server(
    autojump_clock: MockClock,
) -> None:
    events_sent = [message(height, 0) for height in range(1, 2_000)]

    async def act(visit: Visit) -> None:
        await visit.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.until_gone)
            for each in events_sent:
                await visit.send(each)

    async with open_network() as network:
        network.host("a", act)
        asking = options(network, silence_timeout=9)
        async with open_stream("ws://a", **asking) as events:
            assert await take(events, 1) == events_sent[:1]
            await trio.sleep(1_000)
            assert await take(events, len(events_sent) - 1) == events_sent[1:]
    assert len(network.visits) == 1


async def test_a_caller_that_stops_holds_up_the_server(
    autojump_clock: MockClock,
) -> None:
    sent: list[int] = []

    async def act(visit: Visit) -> None:
        await visit.accept()
        for height in range(1, 10 * HAND_OVER):
            await visit.send(message(height, 0))
            sent.append(height)

    async with open_network() as network:
        network.pair = lockstep_stream_pair
        network.host("a", act)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            await wait_all_tasks_blocked()
            assert HAND_OVER <= len(sent) <= HAND_OVER + 10


async def never(visit: Visit) -> None:
    await trio.sleep_forever()


async def gone(visit: Visit) -> None:
    pass


async def garbage(visit: Visit) -> None:
    await visit.stream.send_all(b"\x00\x01 nonsense\r\n\r\n")


@pytest.mark.parametrize("act", [never, gone, garbage])
async def test_a_server_without_an_answer_is_left(
    autojump_clock: MockClock, act: Act
) -> None:
    async with open_network() as network:
        network.host("a", act, serve())
        async with open_stream("ws://a", **options(network)) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL


async def test_a_network_without_an_answer_is_left(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("b", serve())

        async def open_tcp(host: str, port: int) -> trio.abc.Stream:
            if host == "a":
                await trio.sleep_forever()
            return await network.open_tcp(host, port)

        asking = options(network)
        asking["open_tcp"] = open_tcp
        async with open_stream(["ws://a", "ws://b"], **asking) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL


async def test_rude_frames_are_a_lost_connection(autojump_clock: MockClock) -> None:
    async def rude(visit: Visit) -> None:
        await visit.accept()
        await visit.stream.send_all(b"\xff" * 20)
        await visit.until_gone()

    async with open_network() as network:
        network.host("a", rude, serve())
        async with open_stream("ws://a", **options(network)) as events:
            assert await take(events, 5) == ALL


async def test_leaving_says_goodbye() -> None:
    codes = []

    async def act(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*ALL)
        codes.append(await visit.until_gone())

    async with open_network() as network:
        network.host("a", act)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
    assert codes == [1000]


async def test_leaving_does_not_wait_for_a_server_that_is_stuck(
    autojump_clock: MockClock,
) -> None:
    async def stuck(visit: Visit) -> None:
        await visit.accept()
        await visit.send(*ALL)
        await trio.sleep_forever()

    async with open_network() as network:
        network.host("a", stuck)
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            began = trio.current_time()
    assert trio.current_time() - began <= 1


async def test_a_message_too_large_is_not_asked_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trio_stream.client.connection.MESSAGE_LIMIT", 100)
    async with open_network() as network:
        network.host("a", serve())
        with pytest.raises(ServerFault, match="too large"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


def secured(certificate: tuple[Path, Path], network: Network) -> None:
    """Let all servers speak TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    def pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
        ours, theirs = memory_stream_pair()
        return ours, trio.SSLStream(theirs, context, server_side=True)

    network.pair = pair


async def test_tls(certificate: tuple[Path, Path]) -> None:
    async with open_network() as network:
        secured(certificate, network)
        network.host("localhost", serve(2), serve())
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        asking = options(network, ssl_context=trusting)
        async with open_stream("wss://localhost", **asking) as events:
            assert await take(events, 5) == ALL
    assert network.visits[0][1].headers["host"] == "localhost"


async def test_a_certificate_that_is_not_trusted_is_a_lost_connection(
    certificate: tuple[Path, Path],
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_network() as network:
        secured(certificate, network)
        network.host("localhost", never)
        network.host("a", never)
        urls = ["wss://localhost", "wss://a"]
        async with open_stream(urls, **options(network)) as events:
            with trio.move_on_after(1):
                await take(events, 1)
    assert (
        "wss://localhost: TLS failed: [SSL: CERTIFICATE_VERIFY_FAILED]" in caplog.text
    )


async def test_tls_without_an_answer_is_left(autojump_clock: MockClock) -> None:
    async with open_network() as network:
        network.host("a", never)  # waits for a request
        network.host("b", serve())
        async with open_stream(["wss://a", "ws://b"], **options(network)) as events:
            with trio.fail_after(11):
                assert await take(events, 5) == ALL


async def test_a_refused_upgrade_says_why_and_when_to_come_again(
    autojump_clock: MockClock,
) -> None:
    busy = rejecting(503, {"error": "full"}, Retry_After="7")
    async with open_network() as network:
        network.host("a", busy, serve())
        began = trio.current_time()
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
            assert 7 <= trio.current_time() - began < 9
    async with open_network() as network:
        network.host("a", rejecting(400, {"error": "bad", "message": "not so"}))
        with pytest.raises(Refused, match="refused with 400: not so"):
            async with open_stream("ws://a", **options(network)) as events:
                await take(events, 1)


async def test_a_token_is_sent_in_a_header_and_shown_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    async with open_network() as network:
        network.host("a", rejecting(503), serve())
        asking = options(network, token="secret-token")
        async with open_stream("ws://a", **asking) as events:
            await take(events, 1)
    for _, visit in network.visits:
        assert visit.headers["authorization"] == "Bearer secret-token"
        assert "secret" not in visit.target
    assert "refused with 503" in caplog.text and "secret" not in caplog.text
    assert "secret" not in repr(ConnectionSettings(token="secret-token"))


async def test_without_a_token_there_is_no_header() -> None:
    async with open_network() as network:
        network.host("a", serve())
        async with open_stream("ws://a", **options(network)) as events:
            await take(events, 1)
    ((_, visit),) = network.visits
    assert "authorization" not in visit.headers
