"""`trio-stream status`, and the daemon that it asks."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts.certificate import write_certificate
from scripts.daemon_process import Settings, run_daemon
from tests import manual
from tests.commands.answering import answering
from tests.instant_node import instant_node
from trio_stream.__main__ import main
from trio_stream.log.file import lock_directory

DEADLINE = 120
TOKEN = "k4Yy0uA3YhAfkNqPzvDLhXNnH3uZ1mC6oyA5GHM1r9Y"

Captured = pytest.CaptureFixture[str]


@contextmanager
def held(home: Path) -> Iterator[None]:
    """A data directory that belongs to this process."""
    descriptor = lock_directory(home)
    try:
        yield
    finally:
        os.close(descriptor)


def lines(text: str) -> dict[str, str]:
    return {line[:12].rstrip(): line[13:] for line in text.splitlines()}


def test_without_a_daemon_nobody_is_asked(tmp_path: Path, capsys: Captured) -> None:
    assert main(["status", "--home", str(tmp_path)]) == 1
    assert f"no daemon runs on the data directory {tmp_path}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


async def test_a_node_says_how_it_is(tmp_path: Path, capsys: Captured) -> None:
    with trio.fail_after(DEADLINE):
        async with instant_node(tmp_path) as node:
            api = urlsplit(node.http_url).netloc
            arguments = ["status", "--home", str(tmp_path), "--api", api]
            status = await trio.to_thread.run_sync(main, arguments)
    said = lines(capsys.readouterr().out)
    assert status == (0 if said["ready"] == "yes" else 1)
    assert said["process"] == str(os.getpid())
    assert said["height"].startswith("1, block of ")
    assert said["engine"].startswith("not connected")
    assert said["subscribers"] == "0 websocket, 0 sse, 0 poll"
    assert str(tmp_path / "log.db") in said["log"]
    (shown,) = manual.blocks("text", manual.PAGES["monitoring"])
    assert list(said) == list(lines(shown))


def test_a_follower_says_how_its_nodes_are(tmp_path: Path, capsys: Captured) -> None:
    one = {"node": "n1:26657", "state": "answering", "height": 9, "trouble": ""}
    other = {"node": "n2:26657", "state": "troubled", "height": None, "trouble": "503"}
    state = {
        "ready": True,
        "version": "0.1.0",
        "kind": "follower",
        "chain_id": "cosmoshub-4",
        "height": 7,
        "block_time": "2026-11-28T13:52:03.247479092Z",
        "behind": {"blocks": 2, "seconds": 9.0},
        "gaps": 1,
        "missing_blocks": 3,
        "seeking": {"height": 8, "trouble": "the nodes do not agree"},
        "nodes": [one, other],
        "subscribers": {"websocket": 1},
    }
    with held(tmp_path), answering(json.dumps(state).encode()) as api:
        assert main(["status", "--home", str(tmp_path), "--api", api]) == 0
    said = capsys.readouterr().out
    assert lines(said)["behind"] == "2 blocks"
    assert lines(said)["gaps"] == "1, of 3 blocks"
    assert lines(said)["trouble"] == "block 8: the nodes do not agree"
    assert "n1:26657, answering, height 9\n" in said
    assert "n2:26657, troubled, 503\n" in said
    assert lines(said)["subscribers"] == "1 websocket"


@pytest.mark.parametrize(
    "body", [b"hello", b"[]", b"{}", b'{"version": 1, "chain_id": 1, "height": 1}']
)
def test_what_is_not_a_node_is_named(
    tmp_path: Path, capsys: Captured, body: bytes
) -> None:
    with held(tmp_path), answering(body) as api:
        assert main(["status", "--home", str(tmp_path), "--api", api]) == 1
    assert f"does not answer: {api}" in capsys.readouterr().err


def test_a_daemon_whose_server_is_elsewhere_is_named(
    tmp_path: Path, capsys: Captured
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        api = f"127.0.0.1:{free.getsockname()[1]}"
    with held(tmp_path):
        assert main(["status", "--home", str(tmp_path), "--api", api]) == 1
        assert f"{api}: [Errno 111] Connection refused" in capsys.readouterr().err
        assert main(["status", "--home", str(tmp_path), "--api", "localhost:0"]) == 1
        assert "which port it listens on is not known" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "two\nlines", "ümlaut"])
def test_a_file_without_one_token_is_refused(
    tmp_path: Path, capsys: Captured, text: str
) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    arguments = ["status", "--home", str(tmp_path), "--token-file", str(file)]
    assert main(arguments) == 2
    assert str(file) in capsys.readouterr().err


@pytest.mark.slow
async def test_over_tls_and_with_a_token(tmp_path: Path, capsys: Captured) -> None:
    certificate, key = write_certificate(tmp_path)
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    (tmp_path / "tokens.toml").write_text(
        f'[[token]]\nname = "a"\ntoken = "{TOKEN}"\nmay = ["read"]\n'
    )
    file = tmp_path / "node.toml"
    file.write_text(
        f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        f'tokens = "{tmp_path / "tokens.toml"}"\n'
    )
    settings = Settings(home=tmp_path / "home", arguments=["--config", str(file)])
    with trio.fail_after(DEADLINE):
        async with run_daemon(settings) as daemon:
            arguments = [
                *("status", "--config", str(file), "--home", str(settings.home)),
                *("--api", f"127.0.0.1:{daemon.api_port}"),
            ]
            ask = partial(trio.to_thread.run_sync, main)
            await ask(arguments)
            said = lines(capsys.readouterr().out)
            needed = "not known: a token is needed (--token-file FILE)"
            assert said["state"] == needed
            wrong = tmp_path / "wrong"
            wrong.write_text("x" * 30)
            await ask([*arguments, "--token-file", str(wrong)])
            said = lines(capsys.readouterr().out)
            assert said["state"].startswith("not known: the token is not valid")
            await ask([*arguments, "--token-file", str(token)])
            said = lines(capsys.readouterr().out)
            assert said["height"] == "0"
            assert said["chain"] == "none yet"
            assert await daemon.stop() == 0


STATUS = "/api/v1/status"
STATE = {
    "version": "1",
    "chain_id": "test",
    "height": 0,
    "block_time": None,
    "engine": {"connected": True, "version": None, "height": 5, "catching_up": True},
    "subscribers": {"websocket": 2},
}


@pytest.mark.parametrize(
    ("more", "engine"),
    [
        ({}, "connected, height 5, catching up"),
        (
            {"version": "0.38", "catching_up": False},
            "connected, version 0.38, height 5",
        ),
        ({"height": None}, "connected, its RPC does not answer"),
        ({"connected": False}, "not connected, height 5, catching up"),
    ],
)
def test_a_ready_node_and_its_engine(
    tmp_path: Path, capsys: Captured, more: dict[str, object], engine: str
) -> None:
    state = {"ready": True, **STATE, "engine": STATE["engine"] | more}  # type: ignore[operator]
    with held(tmp_path), answering(json.dumps(state).encode()) as api:
        assert main(["status", "--home", str(tmp_path), "--api", api]) == 0
    said = lines(capsys.readouterr().out)
    assert (said["ready"], said["engine"]) == ("yes", engine)
    assert (said["height"], said["subscribers"]) == ("0", "2 websocket")
    assert said["log"].startswith("not seen: [Errno 2] No such file")
    assert "disk" not in said


def test_what_keeps_the_node_from_being_ready_is_named(
    tmp_path: Path, capsys: Captured
) -> None:
    ready = b'{"ready": false, "engine": "away", "log": "ok"}'
    others = {"/health/ready": (503, ready)}
    with held(tmp_path), answering(b"{}", others | {STATUS: (500, b"{}")}) as api:
        assert main(["status", "--home", str(tmp_path), "--api", api]) == 1
    said = lines(capsys.readouterr().out)
    assert said["ready"] == "no (engine: away)"
    assert said["state"] == "not known: status 500"


def test_a_data_directory_that_cannot_be_looked_at_is_named(
    tmp_path: Path, capsys: Captured
) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert main(["status", "--home", str(home)]) == 1
    assert f"cannot look at the data directory {home}: " in capsys.readouterr().err
