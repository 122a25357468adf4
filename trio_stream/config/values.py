"""How the text of a setting becomes its value: one reader for each kind.

A reader takes what a file, a variable or a flag holds and returns the value that the daemon uses,
or raises `ConfigError`, which says what the value must be. It does not know the setting's name;
`sources` adds that.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

UNIX_PATH_BYTES = 107
"""The longest path of a Unix socket that `sockaddr_un` holds on Linux; elsewhere it is a few bytes
less."""

_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_ANYWHERE = frozenset(("0.0.0.0", "::"))


class ConfigError(Exception):
    """A setting cannot be used; the text says which one and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Is it certainly on this machine?"""
        return self.host in _LOOPBACK or self.host in _ANYWHERE

    def overlaps(self, other: Address) -> bool:
        """Is it certain that no two sockets can be bound to them at the same time?"""
        if self.port != other.port or not self._families & other._families:
            return False
        hosts = {self.host, other.host}
        return len(hosts) == 1 or bool(hosts & _ANYWHERE) or hosts <= _LOOPBACK

    @property
    def _families(self) -> frozenset[int]:
        """The versions of IP that it may be bound with."""
        if ":" in self.host:
            return frozenset((6,))
        is_ipv4 = re.fullmatch(r"[0-9.]+", self.host) is not None
        return frozenset((4,)) if is_ipv4 else frozenset((4, 6))


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError("must be a non-empty string")
    if not value.isprintable():
        raise ConfigError("must not contain control characters")
    return value


def path(value: object) -> Path:
    try:
        return Path(text(value)).expanduser()
    except RuntimeError:
        raise ConfigError(
            "begins with the home directory of a user who has none"
        ) from None


def between(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`."""

    def read(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            value = int(value)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not low <= value <= high:  # type: ignore[operator]  # whole
            raise ConfigError(f"must be a whole number from {low} to {high}")
        assert isinstance(value, int)
        return value

    return read


def seconds(low: float, high: float) -> Callable[[object], float]:
    """A reader of times from `low` to `high`."""

    def read(value: object) -> float:
        try:
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                number = float(value)
                if low <= number <= high:
                    return number
        except (ValueError, OverflowError):
            pass
        raise ConfigError(f"must be a number of seconds from {low:g} to {high:g}")

    return read


port = between(0, 65535)
"""A port to bind; 0 stands for any free one."""

fixed_port = between(1, 65535)


def listen_address(value: object) -> Address:
    given = text(value)
    if "/" in given:
        raise ConfigError("must be HOST:PORT, without a scheme or a path")
    host, colon, number = given.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError("must have brackets around an IPv6 address, as in [::1]:9985")
    if not colon or not host or re.search(r"[\s@\[\]]", host):
        raise ConfigError("must be HOST:PORT")
    try:
        return Address(host, port(number))
    except ConfigError:
        raise ConfigError("must be HOST:PORT with a port from 0 to 65535") from None


def abci_address(value: object) -> str:
    given = text(value)
    scheme, _, rest = given.partition("://")
    if scheme == "unix" and rest:
        size = len(os.fsencode(rest))
        if size > UNIX_PATH_BYTES:
            raise ConfigError(
                f"has a path of {size} bytes, and a Unix socket's can have at most"
                f" {UNIX_PATH_BYTES}: use a shorter path, or tcp://"
            )
        return given
    if scheme != "tcp":
        raise ConfigError("must be tcp://HOST:PORT or unix://PATH")
    return f"tcp://{listen_address(rest)}"


def node_url(value: object) -> str:
    given = text(value).rstrip("/")
    try:
        parts = urlsplit(given.replace("tcp://", "http://", 1))
        number = 80 if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigError(f"is not a URL: {error}") from None
    more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme != "http" or not parts.hostname or more or not number:
        raise ConfigError("must be http://HOST:PORT")
    return f"http://{Address(parts.hostname, number)}"


def host(value: object) -> str:
    """A bare name or address; brackets around an IPv6 address are dropped."""
    given = text(value)
    bare = given[1:-1] if given.startswith("[") and given.endswith("]") else given
    is_ipv6 = ":" in bare and _is_address(bare)
    if not is_ipv6 and re.search(r"[\s/@:?#\[\]]", bare):
        raise ConfigError("must be a host name or address without scheme or port")
    return bare


def _is_address(given: str) -> bool:
    try:
        ipaddress.ip_address(given.partition("%")[0])
    except ValueError:
        return False
    return True


def stream_scheme(value: object) -> str:
    if value not in ("ws", "wss"):
        raise ConfigError("must be ws or wss")
    return str(value)


def log_level(value: object) -> str:
    level = text(value).upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ConfigError("must be debug, info, warning, error or critical")
    return level


def log_format(value: object) -> str:
    form = text(value).lower()
    if form not in ("auto", "human", "json"):
        raise ConfigError("must be auto, human or json")
    return form


_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]*]+)(:[0-9]{1,5})?")


def listed(value: object, what: str) -> Sequence[object]:
    """The elements of a list, which variables and flags write with commas in between."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"must be {what}")
    return value


def origins(value: object) -> tuple[str, ...]:
    """Origins as browsers write them, in lower case; `*` and `null` are allowed too."""
    parts = listed(value, "a list of origins, such as https://example.org")
    found = tuple(text(part).lower().rstrip("/") for part in parts)
    for each in found:
        if each not in ("*", "null") and not _ORIGIN.fullmatch(each):
            raise ConfigError(
                f"must be a list of origins, such as https://example.org: {each!r} is none"
            )
    return found


def networks(value: object) -> tuple[str, ...]:
    parts = listed(value, "a list of addresses or networks")
    try:
        return tuple(str(ipaddress.ip_network(text(part))) for part in parts)
    except ValueError as error:
        raise ConfigError(f"must be a list of addresses or networks: {error}") from None
