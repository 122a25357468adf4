"""How the text of a setting becomes its value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from trio_stream.config import values
from trio_stream.config.values import Address, ConfigError

Reader = Callable[[object], object]


@pytest.mark.parametrize(
    ("read", "given", "value"),
    [
        (values.text, "x", "x"),
        (values.path, "a/b", Path("a/b")),
        (values.between(1, 10), 10, 10),
        (values.between(1, 10), " 7 ", 7),
        (values.seconds(0.1, 10), "0.5", 0.5),
        (values.seconds(0.1, 10), 2, 2.0),
        (values.port, 0, 0),
        (values.listen_address, "localhost:1", Address("localhost", 1)),
        (values.listen_address, "[::1]:0", Address("::1", 0)),
        (values.abci_address, "unix:///run/abci.sock", "unix:///run/abci.sock"),
        (values.abci_address, "tcp://[::1]:1", "tcp://[::1]:1"),
        (values.node_url, "http://engine:26657/", "http://engine:26657"),
        (values.node_url, "tcp://engine:26657", "http://engine:26657"),
        (values.node_url, "http://engine", "http://engine:80"),
        (values.host, "[::1]", "::1"),
        (values.host, "fe80::1%eth0", "fe80::1%eth0"),
        (values.host, "node.example", "node.example"),
        (values.stream_scheme, "wss", "wss"),
        (values.log_level, "debug", "DEBUG"),
        (values.log_format, "JSON", "json"),
        (values.networks, "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1/128")),
        (values.networks, ["10.0.0.1"], ("10.0.0.1/32",)),
        (values.origins, "https://A.example, null", ("https://a.example", "null")),
        (values.origins, ["http://[::1]:8080/", "*"], ("http://[::1]:8080", "*")),
    ],
)
def test_values_are_read(read: Reader, given: object, value: object) -> None:
    assert read(given) == value


@pytest.mark.parametrize(
    ("read", "given", "why"),
    [
        (values.text, "", "must be a non-empty string"),
        (values.text, 5, "must be a non-empty string"),
        (values.text, "a\0", "must not contain control characters"),
        (values.path, "~nobody-of-this-name/x", "a user who has none"),
        (values.between(1, 10), 11, "must be a whole number from 1 to 10"),
        (values.between(1, 10), True, "must be a whole number from 1 to 10"),
        (values.between(1, 10), "1.5", "must be a whole number from 1 to 10"),
        (values.seconds(0.1, 10), "soon", "must be a number of seconds from 0.1 to 10"),
        (values.seconds(0.1, 10), "nan", "must be a number of seconds from 0.1 to 10"),
        (values.seconds(0, 10), 10**400, "must be a number of seconds from 0 to 10"),
        (values.seconds(0, 10), True, "must be a number of seconds from 0 to 10"),
        (values.fixed_port, 0, "from 1 to 65535"),
        (values.listen_address, "::1:9985", "brackets around an IPv6 address"),
        (values.listen_address, "http://a:1", "must be HOST:PORT, without a scheme"),
        (
            values.listen_address,
            "a/b:1",
            "must be HOST:PORT, without a scheme or a path",
        ),
        (values.listen_address, "localhost", "must be HOST:PORT"),
        (values.listen_address, "a b:1", "must be HOST:PORT"),
        (values.listen_address, "a:70000", "with a port from 0 to 65535"),
        (values.abci_address, "http://a:1", "must be tcp://HOST:PORT or unix://PATH"),
        (values.abci_address, "unix:///" + "x" * 107, "has a path of 108 bytes"),
        (values.node_url, "http://a:x", "is not a URL"),
        (values.node_url, "https://a:1", "must be http://HOST:PORT"),
        (values.node_url, "http://a:1/rpc", "must be http://HOST:PORT"),
        (values.host, "a:1", "must be a host name or address"),
        (values.stream_scheme, "http", "must be ws or wss"),
        (values.log_level, "loud", "must be debug, info"),
        (values.networks, 5, "must be a list of addresses or networks"),
        (values.origins, 5, "must be a list of origins"),
        (values.origins, ["a.example"], "'a.example' is none"),
        (values.origins, ["https://a.example/x"], "'https://a.example/x' is none"),
        (values.origins, ["https://*.example"], r"'https://\*.example' is none"),
        (values.log_level, "loud", "must be debug, info, warning, error or critical"),
        (values.log_format, "xml", "must be auto, human or json"),
        (values.networks, "10.0.0.1/8", "must be a list of addresses or networks: "),
    ],
)
def test_other_values_are_refused(read: Reader, given: object, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        read(given)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("localhost:1", "localhost:1", True),
        ("localhost:1", "localhost:2", False),
        ("localhost:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "[::1]:1", False),
        ("0.0.0.0:1", "10.0.0.1:1", True),
        ("[::]:1", "10.0.0.1:1", False),
        ("10.0.0.1:1", "10.0.0.2:1", False),
        ("node.example:1", "10.0.0.1:1", False),
    ],
)
def test_addresses_that_overlap(one: str, other: str, overlap: bool) -> None:
    first, second = values.listen_address(one), values.listen_address(other)
    assert first.overlaps(second) is second.overlaps(first) is overlap
    assert str(first) == one


def test_an_address_that_is_certainly_here() -> None:
    assert Address("0.0.0.0", 1).is_here and Address("::1", 1).is_here
    assert not Address("node.example", 1).is_here
