"""Where settings are read from: for a node (`load`), and for a follower (`load_follow`).

A setting is taken from the first of these that has it: the command line, the environment
(`TRIO_STREAM_<NAME>`, then for a node BigchainDB's own names), the file (TOML, or for a node
BigchainDB's JSON), the default.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from trio_stream.config import following, values
from trio_stream.config.following import FollowConfig
from trio_stream.config.foreign_names import (
    BIGCHAINDB,
    BIGCHAINDB_VARIABLES,
    is_of_a_service,
    of_bigchaindb,
    refuse_misspelt,
)
from trio_stream.config.reading import (
    ENVIRONMENT_PREFIX,
    Found,
    Names,
    name_of,
    read_as,
)
from trio_stream.config.settings import Config, DoorSettings, contradict
from trio_stream.config.values import Address, ConfigError

logger = logging.getLogger(__name__)

Settings = TypeVar("Settings", bound=DoorSettings, covariant=True)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[Settings]):
    """The configuration, and where its values come from."""

    config: Settings
    origins: Mapping[str, str]
    """By setting; those that are not in it have their default."""


def _only(one: type[DoorSettings], other: type[DoorSettings]) -> frozenset[str]:
    """The settings of one that the other lacks."""
    return frozenset(map(name_of, fields(one))) - frozenset(map(name_of, fields(other)))


_RUN: Final = Names(
    Config, elsewhere=dict.fromkeys(_only(FollowConfig, Config), "follow")
)
_FOLLOW: Final = Names(
    FollowConfig, elsewhere=dict.fromkeys(_only(Config, FollowConfig), "run")
)

# They name the configuration file and are not settings.
_CONFIG_VARIABLE: Final = "TRIO_STREAM_CONFIG"
_CONFIG_VARIABLES: Final = (_CONFIG_VARIABLE, "BIGCHAINDB_CONFIG_PATH")


def load(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Config:
    """Read the configuration of a node.

    `flags` holds settings by name; None stands for a flag that was not given. Raises `ConfigError`
    if something is unknown, of the wrong type, or unreadable.
    """
    return load_traced(flags, environment, file=file).config


def load_traced(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Loaded[Config]:
    """As `load`, with the origin of each value."""
    found: dict[str, Found] = {}
    if file is None:
        file = _named_file(environment, _CONFIG_VARIABLES)
    if file is not None:
        found |= _from_file(file)
    variables = _without_services(environment)
    found |= _from_bigchaindb(
        _bigchaindb_variables(variables), "environment BIGCHAINDB", found
    )
    found |= _RUN.from_variables(variables, beside=_CONFIG_VARIABLES)
    found |= _RUN.from_flags(flags)
    given = {name: each.value for name, each in found.items()}
    config = Config(**given)  # type: ignore[arg-type]  # each read by its own reader
    contradict(config)
    return Loaded(config, {name: each.where for name, each in found.items()})


def load_follow(
    flags: Mapping[str, object], environment: Mapping[str, str], *, file: Path | None
) -> Loaded[FollowConfig]:
    """The configuration of a follower, likewise."""
    found: dict[str, Found] = {}
    if file is None:
        file = _named_file(environment, (_CONFIG_VARIABLE,))
    if file is not None:
        found |= _FOLLOW.from_table(_table(file, _text(file)), file)
    ours = {
        name: value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    found |= _FOLLOW.from_variables(_without_services(ours), beside=(_CONFIG_VARIABLE,))
    found |= _FOLLOW.from_flags(flags)
    given = {following.field_of(name): each.value for name, each in found.items()}
    config = FollowConfig(**given)  # type: ignore[arg-type]  # each read by its own reader
    following.contradict(config)
    return Loaded(config, {name: each.where for name, each in found.items()})


def _named_file(
    environment: Mapping[str, str], variables: tuple[str, ...]
) -> Path | None:
    named = next((each for each in variables if environment.get(each)), None)
    return None if named is None else read_as(values.path, environment[named], named)


def _without_services(environment: Mapping[str, str]) -> dict[str, str]:
    """All variables but those of other programs that look like settings."""
    ignored = [
        variable
        for variable, value in environment.items()
        if (variable.startswith(ENVIRONMENT_PREFIX) or variable in BIGCHAINDB_VARIABLES)
        and is_of_a_service(variable, value)
    ]
    if ignored:
        logger.warning(
            "ignored, because these are not settings but variables that Kubernetes sets for a"
            " Service: %s (to get rid of them set enableServiceLinks: false, or rename the"
            " Service)",
            ", ".join(sorted(ignored)),
        )
    return {name: each for name, each in environment.items() if name not in ignored}


def _bigchaindb_variables(
    environment: Mapping[str, str],
) -> dict[tuple[str, str], object]:
    found: dict[tuple[str, str], object] = {}
    for variable, value in environment.items():
        if variable in BIGCHAINDB_VARIABLES:
            found[BIGCHAINDB_VARIABLES[variable]] = value
        elif variable not in _CONFIG_VARIABLES:
            refuse_misspelt(variable, value)
    return found


def _text(file: Path) -> str:
    try:
        # Editors on Windows put a byte order mark first.
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"configuration file {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"configuration file {file}: {error}") from error


def _from_file(file: Path) -> dict[str, Found]:
    text = _text(file)
    if not text.lstrip().startswith("{"):
        return _RUN.from_table(_table(file, text), file)
    try:
        found = of_bigchaindb(json.loads(text))
        return _from_bigchaindb(found, str(file), {})
    except RecursionError:
        raise ConfigError(f"configuration file {file} is nested too deeply") from None
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"configuration file {file}: {error}") from error


def _table(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"configuration file {file} is nested too deeply") from None
    except ValueError as error:
        raise ConfigError(f"configuration file {file}: {error}") from error


def _from_bigchaindb(
    found: Mapping[tuple[str, str], object], where: str, below: Mapping[str, Found]
) -> dict[str, Found]:
    settings: dict[str, Found] = {}
    parts: dict[str, Found] = {}
    for (section, name), value in found.items():
        place = f"{where} {section}.{name}"
        target = BIGCHAINDB[section, name]
        if target in _RUN:
            settings[target] = _RUN.read(target, value, place)
        else:
            reader: Callable[[object], object]
            reader = values.port if target.endswith("port") else values.host
            parts[target] = Found(read_as(reader, value, place), place)
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
