"""Binding: one port for all families, stale and busy unix sockets, clear errors."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
import trio

from trio_stream.net.listeners import open_abci, open_tcp, port_of


async def test_port_zero_is_one_number_in_every_family() -> None:
    listeners = await open_tcp("localhost", 0)
    try:
        assert len({port_of(listener) for listener in listeners}) == 1
        assert port_of(listeners[0]) != 0
    finally:
        for listener in listeners:
            await listener.aclose()


async def test_a_taken_port_is_named() -> None:
    (first,) = await open_tcp("127.0.0.1", 0)
    async with first:
        with pytest.raises(OSError, match=f"127.0.0.1:{port_of(first)}"):
            await open_tcp("127.0.0.1", port_of(first))


async def test_a_host_that_does_not_resolve_is_named() -> None:
    with pytest.raises(OSError, match="host.invalid"):
        await open_tcp("host.invalid", 0)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match="192.0.2.1"):
        await open_tcp("192.0.2.1", 0)


async def test_abci_over_tcp() -> None:
    async with open_abci("tcp://127.0.0.1:0") as (listener,):
        async with listener:
            stream = await trio.open_tcp_stream("127.0.0.1", port_of(listener))
            await stream.aclose()


async def test_abci_over_a_unix_socket_takes_a_stale_file(tmp_path: Path) -> None:
    path = str(tmp_path / "abci.sock")
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(path)
    async with open_abci(f"unix://{path}"):
        async with await trio.open_unix_socket(path):
            pass
    assert not os.path.exists(path)


async def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "abci.sock")
    async with open_abci(f"unix://{path}"):
        with pytest.raises(OSError, match="another process"):
            async with open_abci(f"unix://{path}"):
                pass
        async with await trio.open_unix_socket(path):
            pass


async def test_a_file_that_is_not_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "abci.sock"
    path.write_text("mine")
    with pytest.raises(OSError, match="not a socket"):
        async with open_abci(f"unix://{path}"):
            pass
    assert path.read_text() == "mine"


async def test_a_unix_socket_that_was_removed_meanwhile_is_no_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "abci.sock"
    async with open_abci(f"unix://{path}"):
        path.unlink()


async def test_a_unix_socket_that_another_process_made_meanwhile_is_left_alone(
    tmp_path: Path,
) -> None:
    path = tmp_path / "abci.sock"
    async with open_abci(f"unix://{path}"):
        path.unlink()
        path.touch()
    assert path.exists()


async def test_a_unix_socket_that_cannot_be_removed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    path = str(tmp_path / "abci.sock")
    async with open_abci(f"unix://{path}"):
        monkeypatch.setattr(os, "unlink", refuse)
    assert f"cannot remove the socket {path}: Permission denied" in caplog.text
