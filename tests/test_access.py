"""Who is let in, at every door and path of the whole daemon, as an attacker would try."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.daemon_process import Settings, run_daemon
from tests.test_daemon import DEADLINE, host_and_port, running, settings
from tests.websocket_peer import PATH, request
from trio_stream.client import Refused, open_stream
from trio_stream.node import Addresses

READER, POSTER, SCRAPER = (
    "reader-" + "r" * 30,
    "poster-" + "p" * 30,
    "scraper-" + "s" * 30,
)
WRONG = "wrong-" + "w" * 30
LIST = "".join(
    f'[[token]]\nname = "{token.partition("-")[0]}"\ntoken = "{token}"\nmay = ["{may}"]\n'
    for token, may in ((READER, "read"), (POSTER, "post"), (SCRAPER, "metrics"))
)
HEAD = "HTTP/1.1\r\nHost: a\r\n"
BODY = "{}"
LENGTH = f"Content-Length: {len(BODY)}\r\n"
POST = f"POST /api/v1/transactions {HEAD}"
# What hypercorn answers, as it is not plain.
SLOW = "TE: trailers\r\n"
WEBSOCKET = request().decode().removesuffix("\r\n")
REQUESTS = {
    "websocket": ("stream", WEBSOCKET, ""),
    "websocket at HTTP's port": ("api", WEBSOCKET, ""),
    "events": ("api", f"GET {PATH} {HEAD}Accept: text/event-stream\r\n", ""),
    "poll": ("api", f"GET /api/v1/events {HEAD}", ""),
    "read": ("api", f"GET /api/v1/blocks/0 {HEAD}", ""),
    "read slowly": ("api", f"GET /api/v1/blocks/0 {HEAD}{SLOW}", ""),
    "read 1.0": ("api", "GET /api/v1/blocks/0 HTTP/1.0\r\nHost: a\r\n", ""),
    "read absolutely": ("api", f"GET http://a/api/v1/blocks/0 {HEAD}", ""),
    "read encoded": ("api", f"GET /%61pi/v1/blocks/0 {HEAD}", ""),
    "read doubled": ("api", f"GET //api/v1/blocks/0 {HEAD}", ""),
    "head": ("api", f"HEAD /api/v1/blocks/0 {HEAD}", ""),
    "status": ("api", f"GET /api/v1/status {HEAD}", ""),
    "index": ("api", f"GET /api/v1/ {HEAD}", ""),
    "description": ("api", f"GET /api/v1/openapi.json {HEAD}", ""),
    "stream without upgrade": ("api", f"GET {PATH} {HEAD}", ""),
    "no such path": ("api", f"GET /nowhere {HEAD}", ""),
    "climbing": ("api", f"GET /static/../api/v1/blocks/0 {HEAD}", ""),
    "climbing encoded": ("api", f"GET /static/%2e%2e/api/v1/blocks/0 {HEAD}", ""),
    "ticket": ("api", f"POST /api/v1/tickets {HEAD}{LENGTH}", BODY),
    "post": ("api", POST + LENGTH, BODY),
    "post slowly": ("api", POST + LENGTH + SLOW, BODY),
    "post to come": ("api", POST + "Content-Length: 99\r\n", ""),
    "post in chunks": ("api", POST + "Transfer-Encoding: chunked\r\n", ""),
    "post announced": (
        "api",
        POST + "Expect: 100-continue\r\nContent-Length: 9\r\n",
        "",
    ),
    "post elsewhere": ("api", POST.replace("transactions", "blocks") + LENGTH, BODY),
    "delete": ("api", f"DELETE /api/v1/blocks/0 {HEAD}", ""),
    "metrics": ("api", f"GET /metrics {HEAD}", ""),
    "metrics slowly": ("api", f"GET /metrics {HEAD}{SLOW}", ""),
    "metrics encoded": ("api", f"GET /%6detrics {HEAD}", ""),
    "metrics doubled": ("api", f"GET //metrics {HEAD}", ""),
    "metrics of another host": ("api", f"GET //a/metrics {HEAD}", ""),
    "metrics and a slash": ("api", f"GET /metrics/ {HEAD}", ""),
}
"""A door, a head without the empty line, and a body."""
POSTS = {name for name in REQUESTS if "post" in name or name == "delete"}
METRICS = {name for name in REQUESTS if "metrics" in name}
OPEN = [
    "/",
    "/client.js",
    "/health/live",
    "/health/ready",
    "/manual",
    "/static/page.css",
]


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "tokens.toml"
    file.write_text(LIST)
    file.chmod(0o600)
    yield file


async def ask(addresses: Addresses, door: str, said: str) -> tuple[int, bytes]:
    """The status of an answer, and its first bytes."""
    stream = await trio.open_tcp_stream(*host_and_port(getattr(addresses, door)))
    async with stream:
        await stream.send_all(said.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = await stream.receive_some()
            if not more:
                break
            answer += more
    assert answer, said
    return int(answer.split()[1]), answer


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}\r\n"


def right_for(name: str) -> str:
    if name in METRICS:
        return SCRAPER
    return POSTER if name in POSTS else READER


async def test_each_request_needs_the_right_token(tmp_path: Path, tokens: Path) -> None:
    found: dict[str, list[int]] = {}
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        for name, (door, head, body) in REQUESTS.items():
            right = right_for(name)
            weak = next(token for token in (READER, POSTER) if token != right)
            given = ["", bearer(WRONG), bearer(right[:-1]), bearer(weak), bearer(right)]
            given += ["Authorization: Basic cjpy\r\n", f"X-Token: {right}\r\n"]
            statuses = [
                (await ask(addresses, door, f"{head}{each}\r\n{body}"))[0]
                for each in given
                # Its body never comes, so only a refusal is an answer.
                if each != bearer(right)
                or name not in ("post to come", "post in chunks")
            ]
            found[name] = statuses
    for name, (none, wrong, short, weak_status, *rest) in found.items():
        assert (none, wrong, short, weak_status) == (401, 401, 401, 403), (name, found)
        *allowed, basic, elsewhere = rest
        assert (basic, elsewhere) == (401, 401), name
        assert not {401, 403} & set(allowed), (name, allowed)


async def test_what_is_open_needs_none(tmp_path: Path, tokens: Path) -> None:
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        for path in OPEN:
            status, _ = await ask(addresses, "api", f"GET {path} {HEAD}\r\n")
            assert status in (200, 503), path
        preflight = f"OPTIONS /api/v1/transactions {HEAD}Origin: http://a\r\n"
        preflight += "Access-Control-Request-Method: POST\r\n"
        preflight += "Access-Control-Request-Headers: authorization\r\n\r\n"
        status, answer = await ask(addresses, "api", preflight)
        assert status == 200
        assert b"access-control-allow-headers: authorization" in answer.lower()


async def test_a_refused_plain_request_leaves_its_connection_open(
    tmp_path: Path, tokens: Path
) -> None:
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        for token, status in ((WRONG, 401), (READER, 404)):
            two = f"GET /api/v1/blocks/9 {HEAD}{bearer(token)}\r\n" * 2
            stream = await trio.open_tcp_stream(*host_and_port(addresses.api))
            async with stream:
                await stream.send_all(two.encode())
                answer = b""
                while answer.count(b"HTTP/1.1 %d " % status) < 2:
                    answer += await stream.receive_some()


@pytest.mark.parametrize("door", ["stream", "api"])
async def test_a_browser_offers_its_token_or_a_ticket(
    tmp_path: Path, tokens: Path, door: str
) -> None:
    def upgrade(*offers: str) -> str:
        return WEBSOCKET + f"Sec-WebSocket-Protocol: {', '.join(offers)}\r\n\r\n"

    coded = base64.urlsafe_b64encode(READER.encode()).decode().rstrip("=")
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        status, answer = await ask(addresses, door, upgrade(f"bearer.{coded}"))
        assert status == 101
        assert (
            f"sec-websocket-protocol: bearer.{coded}".encode()
            in answer.lower().replace(coded.lower().encode(), coded.encode())
        )
        status, answer = await ask(
            addresses, door, upgrade("trio-stream", f"bearer.{coded}")
        )
        assert status == 101
        assert b"sec-websocket-protocol: trio-stream\r\n" in answer.lower()
        assert coded.encode() not in answer
        assert (await ask(addresses, door, upgrade("bearer.d3Jvbmc")))[0] == 401

        asked = f"POST /api/v1/tickets {HEAD}{bearer(READER)}{LENGTH}\r\n{BODY}"
        status, answer = await ask(addresses, "api", asked)
        assert status == 200 and b"cache-control: no-store" in answer.lower()
        ticket = json.loads(answer.partition(b"\r\n\r\n")[2])["ticket"]
        statuses = [
            (await ask(addresses, door, upgrade(f"ticket.{ticket}")))[0]
            for _ in range(2)
        ]
        assert statuses == [101, 401]


async def test_a_ticket_is_to_be_had_without_tokens_too(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as addresses:
        asked = f"POST /api/v1/tickets {HEAD}{LENGTH}\r\n{BODY}"
        status, answer = await ask(addresses, "api", asked)
        assert status == 200
        ticket = json.loads(answer.partition(b"\r\n\r\n")[2])["ticket"]
        offer = f"Sec-WebSocket-Protocol: ticket.{ticket}\r\n\r\n"
        status, answer = await ask(addresses, "stream", WEBSOCKET + offer)
        assert status == 101 and ticket.encode() in answer


async def test_pages_of_other_origins_are_refused_once_there_are_tokens(
    tmp_path: Path, tokens: Path
) -> None:
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        for name, (door, head, body) in REQUESTS.items():
            token = bearer(right_for(name))
            host = "localhost" if "websocket" in name else "a"
            for origin, is_allowed in (
                ("http://evil.example", False),
                ("null", False),
                (f"http://{host}", True),
            ):
                if is_allowed and name in ("post to come", "post in chunks"):
                    continue
                said = f"{head}{token}Origin: {origin}\r\n\r\n{body}"
                status, _ = await ask(addresses, door, said)
                assert (status == 403) != is_allowed, (name, origin, status)


async def test_the_client_sends_its_token(tmp_path: Path, tokens: Path) -> None:
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        for url in (addresses.stream, addresses.api.replace("http", "ws")):
            for token, status in ((None, 401), (WRONG, 401), (POSTER, 403)):
                with pytest.raises(Refused) as caught:
                    async with open_stream(url, token=token, until="tip") as events:
                        await anext(events)
                assert caught.value.status == status
                assert token is None or token not in str(caught.value)
            with trio.move_on_after(0.5) as patience:
                async with open_stream(url, token=READER) as events:
                    await anext(events)
            assert patience.cancelled_caught


async def test_no_token_is_ever_logged(tmp_path: Path, tokens: Path) -> None:
    """Not at the highest level, whatever becomes of the requests."""
    coded = base64.urlsafe_b64encode(READER.encode()).decode().rstrip("=")
    with trio.fail_after(DEADLINE):
        arguments = ["--log-level", "debug"]
        environment = {"TRIO_STREAM_TOKENS": str(tokens)}
        process = Settings(
            home=tmp_path / "home", arguments=arguments, environment=environment
        )
        async with run_daemon(process) as daemon:
            places = Addresses(daemon.stream, daemon.api, daemon.abci)
            for name, (door, head, body) in REQUESTS.items():
                for token in (READER, POSTER, SCRAPER, WRONG):
                    if name in ("post to come", "post in chunks") and token == POSTER:
                        continue
                    await ask(places, door, f"{head}{bearer(token)}\r\n{body}")
            for door in ("stream", "api"):
                offer = f"Sec-WebSocket-Protocol: bearer.{coded}\r\n\r\n"
                await ask(places, door, WEBSOCKET + offer)
                broken = (
                    f"GET {PATH} HTTP/1.1\r\nHost: a\r\nbroken\r\n{bearer(READER)}\r\n"
                )
                await ask(places, door, broken)
            assert await daemon.stop() == 0
            log = daemon.log.read_text(encoding="utf-8")
    assert "refused with status 401" in log and "refused with status 403" in log
    for secret in (READER, POSTER, SCRAPER, WRONG, coded):
        assert secret not in log
        assert secret[: len(secret) // 2] not in log


async def test_sighup_reads_the_tokens_again(
    tmp_path: Path, tokens: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A withdrawn token's streams end; a list with a mistake changes nothing."""
    caplog.set_level(logging.INFO)
    async with running(settings(tmp_path / "home", tokens=tokens)) as addresses:
        streams = []
        for door, head, _ in (
            REQUESTS["websocket"],
            REQUESTS["websocket at HTTP's port"],
            REQUESTS["events"],
            ("api", f"GET /api/v1/events?wait=20 {HEAD}", ""),
        ):
            stream = await trio.open_tcp_stream(
                *host_and_port(getattr(addresses, door))
            )
            await stream.send_all(f"{head}{bearer(READER)}\r\n".encode())
            if "wait" not in head:
                assert await stream.receive_some()
            streams.append(stream)
        read = f"GET /api/v1/blocks/9 {HEAD}"

        tokens.write_text("[[token]]\nname = 'x'\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await logged(caplog, "the tokens in use stay")
        assert str(tokens) in caplog.text
        assert (await ask(addresses, "api", f"{read}{bearer(READER)}\r\n"))[0] == 404

        tokens.write_text(LIST.replace(READER, WRONG))
        os.kill(os.getpid(), signal.SIGHUP)
        await logged(caplog, f"read {tokens} again: 3 tokens")
        assert (await ask(addresses, "api", f"{read}{bearer(READER)}\r\n"))[0] == 401
        assert (await ask(addresses, "api", f"{read}{bearer(WRONG)}\r\n"))[0] == 404
        for number, stream in enumerate(streams):
            said = b""
            async with stream:
                # One that does not answer Close is cut.
                with suppress(trio.BrokenResourceError):
                    while more := await stream.receive_some():
                        said += more
            if number < 2:
                assert said[-4:] == b"\x88\x02\x03\xf0"


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async def look() -> bool | None:  # noqa: ASYNC124  # what `poll` asks for
        return text in caplog.text or None

    await child.poll(look, seconds=DEADLINE, what=text)
