"""Where settings are read from, and what is said of one that cannot be read.

A setting is taken from the first of these that has it: the command line, the environment
(`TRIO_STREAM_<NAME>`, then BigchainDB's own names), the file (TOML, or BigchainDB's JSON), the
default. An unknown name or a value of the wrong type is a `ConfigError` that names it; nothing is
guessed.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeVar

from trio_stream.config import values
from trio_stream.config.foreign_names import (
    BIGCHAINDB,
    BIGCHAINDB_VARIABLES,
    is_of_a_service,
    of_bigchaindb,
    refuse_misspelt,
)
from trio_stream.config.settings import Config, contradict
from trio_stream.config.values import Address, ConfigError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Found(NamedTuple):
    """A setting's value and where it was found."""

    value: object
    where: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, and where its values come from."""

    config: Config
    origins: Mapping[str, str]
    """By setting; those that are not in it have their default."""


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
    return load_traced(flags, environment, file=file).config


def load_traced(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Loaded:
    """As `load`, with the origin of each value."""
    settings: dict[str, Found] = {}
    if file is None:
        named = next((v for v in _CONFIG_VARIABLES if environment.get(v)), None)
        file = _read_as(values.path, environment[named], named) if named else None
    if file is not None:
        settings.update(_from_file(file))
    settings.update(_from_environment(environment, settings))
    for name, value in flags.items():
        if value is not None:
            settings[name] = _read(name, value, f"--{name.replace('_', '-')}")
    given = {name: found.value for name, found in settings.items()}
    config = Config(**given)  # type: ignore[arg-type]  # each read by its own reader
    contradict(config)
    return Loaded(config, {name: found.where for name, found in settings.items()})


def _read(name: str, value: object, where: str) -> Found:
    return Found(_read_as(_READERS[name], value, where), where)


def _read_as(read: Callable[[object], T], value: object, where: str) -> T:
    try:
        return read(value)
    except ConfigError as error:
        raise ConfigError(f"{where} {error} (got {value!r:.200})") from None


def _unknown(name: str) -> str:
    near = get_close_matches(name, _READERS, n=1)
    return f"{name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _from_environment(
    environment: Mapping[str, str], below: Mapping[str, Found]
) -> dict[str, Found]:
    theirs: dict[tuple[str, str], object] = {}
    ours: dict[str, Found] = {}
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


def _from_file(file: Path) -> dict[str, Found]:
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
    found: Mapping[tuple[str, str], object], where: str, below: Mapping[str, Found]
) -> dict[str, Found]:
    settings: dict[str, Found] = {}
    parts: dict[str, Found] = {}
    for (section, name), value in found.items():
        place = f"{where} {section}.{name}"
        target = BIGCHAINDB[section, name]
        if target in _READERS:
            settings[target] = _read(target, value, place)
        else:
            reader: Callable[[object], object]
            reader = values.port if target.endswith("port") else values.host
            parts[target] = Found(_read_as(reader, value, place), place)
    # There, host and port are separate settings; whichever is not given keeps its value.
    for target, scheme in (("stream", ""), ("node", "http://")):
        host = parts.get(f"{target}_host")
        port = parts.get(f"{target}_port")
        if host or port:
            known = (
                below[target].value if target in below else getattr(Config(), target)
            )
            kept = values.listen_address(str(known).removeprefix(scheme))
            address = Address(
                str(host.value) if host else kept.host,
                values.port(port.value) if port else kept.port,
            )
            settings[target] = Found(
                f"{scheme}{address}" if scheme else address,
                " and ".join(each.where for each in (host, port) if each),
            )
    return settings
