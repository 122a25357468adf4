"""How the settings of one kind are read from flags, variables and TOML, each under its name.

An unknown name or a value of the wrong type is a `ConfigError` that names it; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from trio_stream.config.settings import DoorSettings
from trio_stream.config.values import ConfigError

T = TypeVar("T")

ENVIRONMENT_PREFIX = "TRIO_STREAM_"


class Found(NamedTuple):
    """A setting's value and where it was found."""

    value: object
    where: str


def name_of(item: Field[Any]) -> str:
    """The name of a setting, whose field has another one if it is a word of Python's."""
    return item.name.removesuffix("_")


class Names:
    """The settings of one kind, by name."""

    def __init__(
        self, settings: type[DoorSettings], *, elsewhere: Mapping[str, str]
    ) -> None:
        """`elsewhere` says which command has a setting that these don't have."""
        self._readers: dict[str, Callable[[object], object]] = {
            name_of(item): item.metadata["read"] for item in fields(settings)
        }
        self._elsewhere = elsewhere

    def __contains__(self, name: str) -> bool:
        return name in self._readers

    def read(self, name: str, value: object, where: str) -> Found:
        """The value of a setting. Raises ConfigError."""
        return Found(read_as(self._readers[name], value, where), where)

    def from_flags(self, flags: Mapping[str, object]) -> dict[str, Found]:
        """None stands for a flag that was not given."""
        found: dict[str, Found] = {}
        for name, value in flags.items():
            if value is not None:
                flag = f"--{name.replace('_', '-')}"
                if name not in self:
                    raise ConfigError(f"{flag}: no setting {self._unknown(name)}")
                found[name] = self.read(name, value, flag)
        return found

    def from_variables(
        self, environment: Mapping[str, str], *, beside: Collection[str]
    ) -> dict[str, Found]:
        """What variables with our prefix say; `beside` are no settings."""
        found: dict[str, Found] = {}
        for variable, value in environment.items():
            if variable in beside or not variable.startswith(ENVIRONMENT_PREFIX):
                continue
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            if name not in self or variable != variable.upper():
                raise ConfigError(
                    f"unknown environment variable {variable}: no setting {self._unknown(name)}"
                )
            found[name] = self.read(name, value, variable)
        return found

    def from_table(self, table: Mapping[str, object], file: Path) -> dict[str, Found]:
        """What a file says."""
        for name in table:
            if name not in self:
                raise ConfigError(
                    f"configuration file {file}: unknown key {self._unknown(name)}"
                )
        return {
            name: self.read(name, value, f"{file}: {name}")
            for name, value in table.items()
        }

    def _unknown(self, name: str) -> str:
        if name in self._elsewhere:
            return f"{name!r} here; it is one of `{self._elsewhere[name]}`"
        near = get_close_matches(name, self._readers, n=1)
        return f"{name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def read_as(read: Callable[[object], T], value: object, where: str) -> T:
    """The value that `read` makes. Raises ConfigError, which says where it was found."""
    try:
        return read(value)
    except ConfigError as error:
        raise ConfigError(f"{where} {error} (got {value!r:.200})") from None
