"""What an operator may set, and where it is read from.

A setting is taken from the first of these that has it: the command line, the
environment (`TRIO_STREAM_<NAME>`, then BigchainDB's own names), the file (TOML, or
BigchainDB's JSON), the default. Whatever is unknown or of the wrong type is a
`ConfigError` that names it; nothing is guessed. Below `daemon` no room imports this
one: doors are given values.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from trio_stream import config_values as values
from trio_stream.config_values import Address, ConfigError

__all__ = ["Address", "Config", "ConfigError", "load"]

KIB, MIB = 1024, 1024 * 1024

T = TypeVar("T")


def _setting(default: T, read: Callable[[object], object]) -> T:
    return field(default=default, metadata={"read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, each with its default. Sizes in bytes, times in seconds."""

    home: Path = _setting(Path("trio_stream_data"), values.path)
    abci: str = _setting("tcp://127.0.0.1:26658", values.abci_address)
    stream: Address = _setting(Address("localhost", 9985), values.listen_address)
    api: Address = _setting(Address("localhost", 9984), values.listen_address)
    node: str = _setting("http://localhost:26657", values.node_url)
    log_level: str = _setting("INFO", values.log_level)

    # What the index documents say of the stream; None: what is bound.
    advertised_scheme: str | None = _setting(None, values.stream_scheme)
    advertised_host: str | None = _setting(None, values.text)
    advertised_port: int | None = _setting(None, values.port)

    # Both or none; they serve wss:// and https://.
    tls_certificate: Path | None = _setting(None, values.path)
    tls_key: Path | None = _setting(None, values.path)

    # Consensus node: a proposal carries a whole block, at most 100 MiB and some.
    frame_limit: int = _setting(128 * MIB, values.positive)
    cache_bytes: int = _setting(64 * MIB, values.whole)
    node_connections: int = _setting(32, values.positive)
    # The node drops an answer that is later than 11 s.
    node_timeout: float = _setting(15.0, values.seconds)

    # Subscribers.
    max_clients: int = _setting(20_000, values.positive)
    # 0: no limit, since a proxy is one address.
    max_clients_per_address: int = _setting(0, values.whole)
    trusted_proxies: tuple[str, ...] = _setting((), values.networks)
    ping_interval: float = _setting(20.0, values.seconds)
    pong_timeout: float = _setting(20.0, values.seconds)
    stall_timeout: float = _setting(60.0, values.seconds)
    handshake_timeout: float = _setting(10.0, values.seconds)
    send_buffer: int = _setting(128 * KIB, values.positive)
    tail_bytes: int = _setting(8 * MIB, values.positive)
    # Blocks by which a position may be beyond the tip: it may come from another node.
    resume_ahead: int = _setting(100, values.whole)

    # HTTP.
    max_body_bytes: int = _setting(2 * MIB, values.positive)
    commit_timeout: float = _setting(10.0, values.seconds)

    # Each phase of an orderly stop, and the whole of it.
    shutdown_http: float = _setting(12.0, values.seconds)
    shutdown_abci: float = _setting(5.0, values.seconds)
    shutdown_stream: float = _setting(5.0, values.seconds)
    shutdown_total: float = _setting(25.0, values.seconds)

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("tls_certificate and tls_key: give both or none")


_READERS: dict[str, Callable[[object], object]] = {
    item.name: item.metadata["read"] for item in fields(Config)
}

ENVIRONMENT_PREFIX = "TRIO_STREAM_"
# Names the configuration file; not a setting of its own.
_CONFIG_VARIABLES = ("TRIO_STREAM_CONFIG", "BIGCHAINDB_CONFIG_PATH")

# BigchainDB's settings that mean something here, by section and name.
_BIGCHAINDB = {
    ("server", "bind"): "api",
    ("wsserver", "host"): "stream_host",
    ("wsserver", "port"): "stream_port",
    ("wsserver", "advertised_scheme"): "advertised_scheme",
    ("wsserver", "advertised_host"): "advertised_host",
    ("wsserver", "advertised_port"): "advertised_port",
    ("tendermint", "host"): "node_host",
    ("tendermint", "port"): "node_port",
}
# What else its file may hold belongs to parts that are not here (its database, its HTTP
# server, its log files) and is read past, so that the file can be used as it stands.
_BIGCHAINDB_UNUSED_SECTIONS = ("server", "database", "log")
_BIGCHAINDB_UNUSED = {("wsserver", "scheme"), ("tendermint", "version")}
_BIGCHAINDB_REST = ("CONFIGURED", "validation_plugin")


def load(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Config:
    """Read the configuration.

    `flags` holds settings by name; None stands for a flag not given. Raises
    `ConfigError` for what is unknown, of the wrong type, or unreadable.
    """
    settings: dict[str, object] = {}
    if file is None:
        named = next(
            (environment[v] for v in _CONFIG_VARIABLES if environment.get(v)), None
        )
        file = Path(named).expanduser() if named else None
    if file is not None:
        settings.update(_from_file(file))
    settings.update(_from_environment(environment, settings))
    for name, value in flags.items():
        if value is not None:
            settings[name] = _read(name, value, f"--{name.replace('_', '-')}")
    return Config(**settings)  # type: ignore[arg-type]  # each read by its own reader


def _read(name: str, value: object, where: str) -> object:
    try:
        return _READERS[name](value)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}, not {value!r}") from None


def _from_environment(
    environment: Mapping[str, str], below: Mapping[str, object]
) -> dict[str, object]:
    theirs: dict[tuple[str, str], object] = {}
    ours: dict[str, object] = {}
    for variable, value in environment.items():
        for section, name in _BIGCHAINDB:
            if variable == f"BIGCHAINDB_{section}_{name}".upper():
                theirs[section, name] = value
        if (
            variable.startswith(ENVIRONMENT_PREFIX)
            and variable not in _CONFIG_VARIABLES
        ):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            if name not in _READERS or variable != variable.upper():
                raise ConfigError(f"unknown environment variable {variable}")
            ours[name] = _read(name, value, variable)
    return _from_bigchaindb(theirs, "environment BIGCHAINDB", below) | ours


def _from_file(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
        if text.lstrip().startswith("{"):
            return _from_json(json.loads(text), file)
        table = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"configuration file {file}: {error}") from error
    for name in table:
        if name not in _READERS:
            raise ConfigError(f"configuration file {file}: unknown key {name!r}")
    return {
        name: _read(name, value, f"{file}: {name}") for name, value in table.items()
    }


def _from_json(document: object, file: Path) -> dict[str, object]:
    if not isinstance(document, dict):
        raise ConfigError(f"configuration file {file}: must hold an object")
    found: dict[tuple[str, str], object] = {}
    for section, members in document.items():
        if section in _BIGCHAINDB_REST:
            continue
        if not isinstance(members, dict):
            raise ConfigError(f"configuration file {file}: unknown section {section!r}")
        for name, value in members.items():
            if (section, name) in _BIGCHAINDB:
                found[section, name] = value
            elif (
                section not in _BIGCHAINDB_UNUSED_SECTIONS
                and (section, name) not in _BIGCHAINDB_UNUSED
            ):
                raise ConfigError(
                    f"configuration file {file}: unknown key {section}.{name}"
                )
    return _from_bigchaindb(found, str(file), {})


def _from_bigchaindb(
    found: Mapping[tuple[str, str], object], where: str, below: Mapping[str, object]
) -> dict[str, object]:
    settings: dict[str, object] = {}
    parts: dict[str, object] = {}
    for (section, name), value in found.items():
        place = f"{where} {section}.{name}"
        target = _BIGCHAINDB[section, name]
        if target in _READERS:
            settings[target] = _read(target, value, place)
        else:
            reader = values.port if target.endswith("port") else values.text
            try:
                parts[target] = reader(value)
            except ConfigError as error:
                raise ConfigError(f"{place} {error}, not {value!r}") from None
    # Host and port come apart there; what one of them leaves open stays as it was.
    for target, scheme in (("stream", ""), ("node", "http://")):
        if f"{target}_host" in parts or f"{target}_port" in parts:
            known = str(below.get(target, getattr(Config(), target)))
            address = values.listen_address(known.removeprefix(scheme))
            host = str(parts.get(f"{target}_host", address.host))
            port = values.port(parts.get(f"{target}_port", address.port))
            address = Address(host, port)
            settings[target] = f"{scheme}{address}" if scheme else address
    return settings
