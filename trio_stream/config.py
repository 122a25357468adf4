"""What an operator may set, and where it is read from.

A setting is taken from the first of these that has it: the command line, the environment
(`TRIO_STREAM_<NAME>`, then BigchainDB's own names), the file (TOML, or BigchainDB's JSON), the
default. An unknown name or a value of the wrong type is a `ConfigError` that names it; nothing is
guessed. Every number has a range, and settings that contradict each other are refused too. No
module below `daemon` imports this one: doors are given values.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from trio_stream import config_values as values
from trio_stream.config_values import (
    BIGCHAINDB,
    BIGCHAINDB_VARIABLES,
    Address,
    ConfigError,
    is_of_a_service,
    of_bigchaindb,
    refuse_misspelt,
)

__all__ = ["Address", "Config", "ConfigError", "contradict", "load"]

logger = logging.getLogger(__name__)

KIB, MIB, GIB = 1024, 1024**2, 1024**3
MILLION = 1_000_000
HOUR, DAY = 3_600, 86_400

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

    # Where the index documents say the stream is; None: where it is bound.
    advertised_scheme: str | None = _setting(None, values.stream_scheme)
    advertised_host: str | None = _setting(None, values.host)
    advertised_port: int | None = _setting(None, values.fixed_port)

    # Both or neither; with them the doors serve wss:// and https://.
    tls_certificate: Path | None = _setting(None, values.path)
    tls_key: Path | None = _setting(None, values.path)

    # Consensus engine: a proposal carries a whole block, a little over 100 MiB at most. A
    # transaction that the engine's mempool accepts, of 1 MiB, must fit.
    frame_limit: int = _setting(128 * MIB, values.between(2 * MIB, 1024 * MIB))
    cache_bytes: int = _setting(64 * MIB, values.between(0, 64 * GIB))
    node_connections: int = _setting(32, values.between(1, 1_000))
    # The engine drops answers that take longer than 11 s.
    node_timeout: float = _setting(15.0, values.seconds(0.1, HOUR))

    # Subscribers.
    max_clients: int = _setting(20_000, values.between(1, MILLION))
    # 0: no limit, since behind a proxy all clients have one address.
    max_clients_per_address: int = _setting(0, values.between(0, MILLION))
    # Connections of the WebSocket door beyond those: being admitted or being turned away.
    max_handshakes: int = _setting(1_000, values.between(16, MILLION))
    trusted_proxies: tuple[str, ...] = _setting((), values.networks)
    ping_interval: float = _setting(20.0, values.seconds(0.1, DAY))
    pong_timeout: float = _setting(20.0, values.seconds(0.1, DAY))
    stall_timeout: float = _setting(60.0, values.seconds(0.1, DAY))
    handshake_timeout: float = _setting(10.0, values.seconds(0.1, HOUR))
    send_buffer: int = _setting(128 * KIB, values.between(4 * KIB, 64 * MIB))
    tail_bytes: int = _setting(8 * MIB, values.between(4 * KIB, 64 * GIB))
    # By how many blocks a position may be beyond the tip, since it may come from another node.
    resume_ahead: int = _setting(100, values.between(0, MILLION))

    # HTTP.
    http_connections: int = _setting(4096, values.between(16, MILLION))
    # 0: no limit.
    http_connections_per_address: int = _setting(1024, values.between(0, MILLION))
    http_keep_alive: float = _setting(75.0, values.seconds(0.1, DAY))
    # For a body to arrive, plus a second for each `http_body_rate` bytes that have arrived.
    http_body_timeout: float = _setting(20.0, values.seconds(0.1, HOUR))
    http_body_rate: int = _setting(4 * KIB, values.between(1, GIB))
    # All bodies and answers in progress together.
    http_bytes_under_way: int = _setting(256 * MIB, values.between(MIB, 64 * GIB))
    max_body_bytes: int = _setting(2 * MIB, values.between(KIB, 128 * MIB))
    commit_timeout: float = _setting(10.0, values.seconds(0.1, HOUR))

    # Each phase of an orderly stop, and the whole of it.
    shutdown_http: float = _setting(12.0, values.seconds(0.1, HOUR))
    shutdown_abci: float = _setting(5.0, values.seconds(0.1, HOUR))
    shutdown_stream: float = _setting(5.0, values.seconds(0.1, HOUR))
    shutdown_total: float = _setting(25.0, values.seconds(0.1, HOUR))


_READERS: dict[str, Callable[[object], object]] = {
    item.name: item.metadata["read"] for item in fields(Config)
}

ENVIRONMENT_PREFIX = "TRIO_STREAM_"
# They name the configuration file and are not settings.
_CONFIG_VARIABLES = ("TRIO_STREAM_CONFIG", "BIGCHAINDB_CONFIG_PATH")


def load(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Config:
    """Read the configuration.

    `flags` holds settings by name; None stands for a flag that was not given. Raises `ConfigError`
    if something is unknown, of the wrong type, or unreadable.
    """
    settings: dict[str, object] = {}
    if file is None:
        named = next((v for v in _CONFIG_VARIABLES if environment.get(v)), None)
        file = _read_as(values.path, environment[named], named) if named else None
    if file is not None:
        settings.update(_from_file(file))
    settings.update(_from_environment(environment, settings))
    for name, value in flags.items():
        if value is not None:
            settings[name] = _read(name, value, f"--{name.replace('_', '-')}")
    config = Config(**settings)  # type: ignore[arg-type]  # each read by its own reader
    contradict(config)
    return config


def _read(name: str, value: object, where: str) -> object:
    return _read_as(_READERS[name], value, where)


def _read_as(read: Callable[[object], T], value: object, where: str) -> T:
    try:
        return read(value)
    except ConfigError as error:
        raise ConfigError(f"{where} {error} (got {value!r:.200})") from None


def _unknown(name: str) -> str:
    near = get_close_matches(name, _READERS, n=1)
    return f"{name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _from_environment(
    environment: Mapping[str, str], below: Mapping[str, object]
) -> dict[str, object]:
    theirs: dict[tuple[str, str], object] = {}
    ours: dict[str, object] = {}
    ignored: list[str] = []
    for variable, value in environment.items():
        is_ours = variable.startswith(ENVIRONMENT_PREFIX)
        if variable in _CONFIG_VARIABLES:
            continue
        if not is_ours and variable not in BIGCHAINDB_VARIABLES:
            refuse_misspelt(variable, value)
            continue
        if is_of_a_service(variable, value):
            ignored.append(variable)
        elif is_ours:
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            if name not in _READERS or variable != variable.upper():
                raise ConfigError(
                    f"unknown environment variable {variable}: no setting {_unknown(name)}"
                )
            ours[name] = _read(name, value, variable)
        else:
            theirs[BIGCHAINDB_VARIABLES[variable]] = value
    if ignored:
        logger.warning(
            "ignored, because these are not settings but variables that Kubernetes sets for a"
            " Service: %s (to get rid of them set enableServiceLinks: false, or rename the"
            " Service)",
            ", ".join(sorted(ignored)),
        )
    return _from_bigchaindb(theirs, "environment BIGCHAINDB", below) | ours


def _from_file(file: Path) -> dict[str, object]:
    try:
        # Editors on Windows put a byte order mark first.
        text = file.read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):
            found = of_bigchaindb(json.loads(text))
            return _from_bigchaindb(found, str(file), {})
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"configuration file {file}: {error.strerror}") from error
    except RecursionError:
        raise ConfigError(f"configuration file {file} is nested too deeply") from None
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"configuration file {file}: {error}") from error
    for name in table:
        if name not in _READERS:
            raise ConfigError(
                f"configuration file {file}: unknown key {_unknown(name)}"
            )
    return {
        name: _read(name, value, f"{file}: {name}") for name, value in table.items()
    }


def _from_bigchaindb(
    found: Mapping[tuple[str, str], object], where: str, below: Mapping[str, object]
) -> dict[str, object]:
    settings: dict[str, object] = {}
    parts: dict[str, object] = {}
    for (section, name), value in found.items():
        place = f"{where} {section}.{name}"
        target = BIGCHAINDB[section, name]
        if target in _READERS:
            settings[target] = _read(target, value, place)
        else:
            reader: Callable[[object], object]
            reader = values.port if target.endswith("port") else values.host
            parts[target] = _read_as(reader, value, place)
    # There, host and port are separate settings; whichever is not given keeps its value.
    for target, scheme in (("stream", ""), ("node", "http://")):
        if f"{target}_host" in parts or f"{target}_port" in parts:
            known = str(below.get(target, getattr(Config(), target)))
            address = values.listen_address(known.removeprefix(scheme))
            host = str(parts.get(f"{target}_host", address.host))
            port = values.port(parts.get(f"{target}_port", address.port))
            address = Address(host, port)
            settings[target] = f"{scheme}{address}" if scheme else address
    return settings


def contradict(config: Config) -> None:
    """Raise `ConfigError` if settings contradict each other, each being valid by itself."""
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise ConfigError("tls_certificate and tls_key: give both or neither")
    phases = config.shutdown_http + config.shutdown_abci + config.shutdown_stream
    if round(phases, 3) > config.shutdown_total:
        raise ConfigError(
            f"shutdown_total ({config.shutdown_total:g} s) must be at least the sum of its "
            f"phases, shutdown_http, shutdown_abci and shutdown_stream ({phases:g} s)"
        )
    if config.http_bytes_under_way < config.max_body_bytes:
        raise ConfigError(
            f"http_bytes_under_way ({config.http_bytes_under_way}) must be at least "
            f"max_body_bytes ({config.max_body_bytes}), or a body of that size is never accepted"
        )
    bound = {"api": config.api, "stream": config.stream}
    if config.abci.startswith("tcp://"):
        bound["abci"] = values.listen_address(config.abci.removeprefix("tcp://"))
    for (name, address), (other, its_address) in combinations(bound.items(), 2):
        if address.port and address.overlaps(its_address):
            raise ConfigError(f"{name} and {other} can't both be {address}")
    node = values.listen_address(config.node.removeprefix("http://"))
    for name, address in bound.items():
        if address.port and node.is_here and address.overlaps(node):
            raise ConfigError(
                f"node: {config.node} is this daemon's own {name} address; give the address of"
                f" the engine's RPC (`laddr` under [rpc] in its config.toml, usually port 26657)"
            )
