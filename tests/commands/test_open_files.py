"""Limits of connections against the limit of open files."""

from __future__ import annotations

import logging
import os
import resource
from functools import partial
from pathlib import Path

import pytest
import trio

from scripts import http_client
from scripts.daemon_process import Settings, run_daemon
from scripts.signing import Key, create, encode
from tests.fake_engine import FakeEngine
from tests.test_daemon import DEADLINE, host_and_port
from tests.websocket_peer import Peer, request
from trio_stream.commands import open_files
from trio_stream.config import Config, ConfigError
from trio_stream.http.newcomers import STRANGERS

LOW = 500
"""Open files that the daemon may have, of which some 260 are kept."""


@pytest.mark.parametrize("allowed", [400, 1024, 4096, 20_000])
@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(max_clients=50),
        Config(http_connections=16),
        Config(max_handshakes=16),
    ],
)
def test_all_doors_together_need_no_more_files_than_allowed(
    allowed: int,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(open_files, "raise_limit", lambda wanted: min(wanted, allowed))
    fitted = open_files.fit(config, others=64)

    http = fitted.http_connections + min(STRANGERS, fitted.http_connections)
    total = fitted.max_clients + fitted.max_handshakes + http
    assert total + open_files.RESERVED + 64 + 64 <= allowed
    for name in ("max_clients", "max_handshakes", "http_connections"):
        assert 8 <= getattr(fitted, name) <= getattr(config, name)
    assert bool(caplog.records) == (fitted != config)


def test_settings_within_the_limit_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(open_files, "raise_limit", lambda wanted: wanted)
    assert open_files.fit(Config(), others=64) == Config()
    assert not caplog.records


def test_too_few_files_for_any_client_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(open_files, "raise_limit", lambda wanted: 256)
    with pytest.raises(ConfigError, match="files is 256,.*needs at least 320.*ulimit"):
        open_files.fit(Config(), others=64)


@pytest.mark.parametrize(
    ("soft", "hard", "asked"),
    [
        (1024, 4096, 2000),
        (1024, 1500, 1500),
        (1024, resource.RLIM_INFINITY, 2000),
        (3000, 4096, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_goes(
    soft: int, hard: int, asked: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: set_to.append(pair))
    assert open_files.raise_limit(2000) == (asked or 2000)
    assert set_to == ([] if asked is None else [(asked, hard)])


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert open_files.raise_limit(2000) == 256


def test_an_accept_loop_without_a_file_says_so_seldom_and_without_a_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepting = logging.getLogger("trio.serve_listeners")
    seldom = open_files.SeldomAndShort()
    accepting.addFilter(seldom)
    try:
        for _ in range(5):
            accepting.error("accept returned EMFILE", exc_info=OSError("full"))
    finally:
        accepting.removeFilter(seldom)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "Traceback" not in caplog.text


class Limited(Settings):
    """A daemon that may open few files."""

    def command(self) -> list[str]:
        limit = f'ulimit -n {LOW} && exec "$@"'
        return ["sh", "-c", limit, "sh", *Settings.command(self)]


@pytest.mark.slow
async def test_an_engine_gets_a_file_even_if_files_are_few(tmp_path: Path) -> None:
    """Four times as many clients as there are files; some say nothing, some subscribe."""
    with trio.fail_after(4 * DEADLINE):
        async with run_daemon(Limited(home=tmp_path / "home")) as daemon:
            ways = [host_and_port(daemon.api), host_and_port(daemon.stream)]
            clients = []
            for number in range(2 * LOW):
                host, port = ways[number % 2]
                client = await trio.open_tcp_stream("127.0.0.1", port)
                clients.append(client)
                if number % 4 == 1:
                    await client.send_all(request())
            created = create(Key.from_seed(bytes(32)))
            place = host_and_port(daemon.abci)
            async with FakeEngine(
                "C38", partial(trio.open_tcp_stream, *place)
            ) as engine:
                await engine.handshake()
                await engine.block(encode(created))
                assert (await engine.info()).last_block_height == 1
            assert len(os.listdir(f"/proc/{daemon.pid}/fd")) < LOW
            for client in clients:
                await trio.aclose_forcefully(client)
            # Now that they have gone, the block is there for everybody.
            found = None
            while found is None or found.status != 200:
                try:
                    found = await http_client.fetch(
                        "127.0.0.1", ways[0][1], "GET", "/api/v1/blocks/1"
                    )
                except (OSError, trio.BrokenResourceError, EOFError):
                    pass
                await trio.sleep(0.05)
            peer = await Peer.connect(ways[1][1])
            await peer.send(request())
            assert b" 101 " in await peer.read_head()
            peer.reset()
            text = daemon.log.read_text()
    assert "the limit of open files is 500" in text
    assert "Traceback" not in text
    assert " ERROR " not in text
    assert "EMFILE" not in text
