"""What the text or the value of a setting becomes: one reader for each kind.

A reader takes what a file, a variable or a flag holds and returns the value that the
daemon uses, or raises `ConfigError` with what the value must be. It does not know the
setting's name; `config` adds that.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class ConfigError(Exception):
    """A setting cannot be used; the text says which one, and why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A place to listen at: `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError("must be a text that is not empty")
    return value


def path(value: object) -> Path:
    return Path(text(value)).expanduser()


def whole(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError("must be a whole number that is not negative")
    return value


def positive(value: object) -> int:
    number = whole(value)
    if number == 0:
        raise ConfigError("must be at least 1")
    return number


def port(value: object) -> int:
    number = whole(value)
    if number > 65535:
        raise ConfigError("must be a port, 0 to 65535")
    return number


def seconds(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ConfigError("must be a number of seconds") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError("must be a number of seconds")
    if not 0 < value < 1e9:
        raise ConfigError("must be a number of seconds above 0")
    return float(value)


def listen_address(value: object) -> Address:
    host, colon, number = text(value).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError("an IPv6 address stands in brackets: [::1]:9985")
    if not colon or not host:
        raise ConfigError("must be HOST:PORT")
    return Address(host, port(number))


def abci_address(value: object) -> str:
    given = text(value)
    scheme, _, rest = given.partition("://")
    if scheme == "unix" and rest:
        return given
    if scheme != "tcp":
        raise ConfigError("must be tcp://HOST:PORT or unix://PATH")
    return f"tcp://{listen_address(rest)}"


def node_url(value: object) -> str:
    given = text(value).rstrip("/")
    try:
        parts = urlsplit(given.replace("tcp://", "http://", 1))
        number = parts.port
    except ValueError as error:
        raise ConfigError(f"is no URL: {error}") from None
    if parts.scheme != "http" or not parts.hostname or parts.path or parts.query:
        raise ConfigError("must be http://HOST:PORT")
    return f"http://{Address(parts.hostname, number or 80)}"


def stream_scheme(value: object) -> str:
    if value not in ("ws", "wss"):
        raise ConfigError("must be ws or wss")
    return str(value)


def log_level(value: object) -> str:
    level = text(value).upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ConfigError("must be debug, info, warning, error or critical")
    return level


def networks(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ConfigError("must be a list of addresses or networks")
    try:
        return tuple(str(ipaddress.ip_network(text(part))) for part in value)
    except ValueError as error:
        raise ConfigError(str(error)) from None
