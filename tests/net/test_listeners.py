"""Binding: one port for all families, stale and busy unix sockets, clear errors."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_stream.net.listeners import (
    is_local,
    open_abci,
    open_door,
    open_tcp,
    port_of,
)


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


class Names(trio.abc.HostnameResolver):
    """Resolves any name to these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        trio.socket.set_custom_hostname_resolver(self)

    async def getaddrinfo(self, *_: object) -> Any:
        await trio.lowlevel.checkpoint()
        of_tcp = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
        return [(*of_tcp, (address, 0)) for address in self.addresses]

    async def getnameinfo(self, *_: object) -> Any:
        raise NotImplementedError


class Ports:
    """Stands in for Trio: so many ports are taken in all families but the first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, taken: int) -> None:
        self.taken = taken
        self.opened: list[trio.SocketListener] = []
        self._open = trio.open_tcp_listeners
        monkeypatch.setattr(trio, "open_tcp_listeners", self.open)

    async def open(
        self, port: int, *, host: str, backlog: int
    ) -> list[trio.SocketListener]:
        if port != 0 and self.taken:
            self.taken -= 1
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.opened += await self._open(port, host=host, backlog=backlog)
        return self.opened[-1:]


async def test_a_port_that_another_family_lacks_is_changed_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Names("127.0.0.1", "127.0.0.2")
    ports = Ports(monkeypatch, taken=3)
    listeners = await open_tcp("node", 0)
    assert len({port_of(listener) for listener in listeners}) == 1
    assert len(listeners) == 2 and ports.opened[-2:] == listeners
    # What was bound in vain is closed again.
    assert [each.socket.fileno() for each in ports.opened[:-2]] == [-1] * 3
    for listener in listeners:
        await listener.aclose()


async def test_the_search_for_a_port_of_all_families_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Names("127.0.0.1", "127.0.0.2")
    ports = Ports(monkeypatch, taken=1000)
    with pytest.raises(OSError, match="node:0: Address already in use .stop the prog"):
        await open_tcp("node", 0)
    assert len(ports.opened) == 10
    assert {each.socket.fileno() for each in ports.opened} == {-1}


async def test_an_address_that_this_machine_lacks_is_skipped_beside_another() -> None:
    Names("192.0.2.1", "127.0.0.1")
    (listener,) = await open_tcp("node", 0)
    async with listener:
        assert listener.socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(OSError, match="node:0: no address to listen on"):
        Names()
        await open_tcp("node", 0)


async def test_a_host_that_is_no_name_is_refused() -> None:
    with pytest.raises(OSError, match="'a..b' is not a host name"):
        await open_tcp("a..b", 0)


async def test_a_door_is_closed_at_the_end_even_if_it_was_never_served() -> None:
    async with open_door("127.0.0.1", 0) as (listener,):
        assert listener.socket.fileno() != -1
    assert listener.socket.fileno() == -1


@pytest.mark.parametrize(("host", "local"), [("127.0.0.1", True), ("0.0.0.0", False)])
async def test_which_doors_only_this_machine_can_reach(host: str, local: bool) -> None:
    async with open_door(host, 0) as (listener,):
        assert is_local(listener) is local


async def test_only_this_machine_can_reach_a_unix_socket(tmp_path: Path) -> None:
    async with open_abci(f"unix://{tmp_path / 'abci.sock'}") as (listener,):
        assert is_local(listener)


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


async def test_a_unix_socket_whose_backlog_is_full_is_in_use(tmp_path: Path) -> None:
    path = str(tmp_path / "abci.sock")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as peer:
        busy.bind(path)
        busy.listen(0)
        peer.connect(path)
        with pytest.raises(OSError, match="another process"):
            async with open_abci(f"unix://{path}"):
                pass
    assert os.path.exists(path)


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
