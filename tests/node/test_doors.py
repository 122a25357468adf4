"""The doors that every daemon has, as its settings make them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from scripts.certificate import write_certificate
from trio_stream.config import Address, Config
from trio_stream.node.core import open_core
from trio_stream.node.credentials import Credentials
from trio_stream.node.doors import Doors, bind

ANY = Address("127.0.0.1", 0)
PATH = "/api/v1/streams/some"


async def opened(config: Config, stack: AsyncExitStack) -> Doors:
    credentials = Credentials(config)
    sockets = await bind(config, credentials, stack)
    channel = open_core(config, stack).channel
    return Doors(config, sockets, credentials, channel, path=PATH)


def settings(home: Path, **given: object) -> Config:
    config = Config(home=home, stream=ANY, api=ANY)
    return replace(config, **given)  # type: ignore[arg-type]


def shape(url: str) -> str:
    """An address without its port."""
    head, _, tail = url.rpartition(":")
    return head + tail.lstrip("0123456789")


async def test_where_clients_find_them(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        doors = await opened(settings(tmp_path), stack)
        addresses = doors.addresses("tcp://engine")
        assert shape(addresses.stream) == f"ws://127.0.0.1{PATH}"
        assert shape(addresses.api) == "http://127.0.0.1"
        assert addresses.abci == "tcp://engine"
        assert doors.streams_url == addresses.stream


async def test_another_address_can_be_named(tmp_path: Path) -> None:
    advertised = {"scheme": "wss", "host": "node.example", "port": 443}
    given = {f"advertised_{name}": value for name, value in advertised.items()}
    async with AsyncExitStack() as stack:
        doors = await opened(settings(tmp_path, **given), stack)
        assert doors.streams_url == f"wss://node.example:443{PATH}"


async def test_with_a_certificate_the_addresses_say_so(tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    given = {"tls_certificate": certificate, "tls_key": key}
    async with AsyncExitStack() as stack:
        doors = await opened(settings(tmp_path, **given), stack)
        addresses = doors.addresses()
        assert shape(addresses.stream) == shape(doors.streams_url)
        assert shape(doors.streams_url) == f"wss://127.0.0.1{PATH}"
        assert shape(addresses.api) == "https://127.0.0.1"


async def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    (taken,) = await trio.open_tcp_listeners(0, host=ANY.host)
    async with taken, AsyncExitStack() as stack:
        address = Address(ANY.host, taken.socket.getsockname()[1])
        with pytest.raises(OSError, match=f"{address}: Address already in use"):
            await opened(settings(tmp_path, api=address), stack)
