"""`trio-stream show-config`: every setting, its value, and where that comes from.

What it prints is a configuration file. Status 0; 2 if a setting cannot be used.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from typing import Final

from trio_stream.commands.data import failed
from trio_stream.commands.flags import add_either_settings, either_settings_of
from trio_stream.config import ConfigError
from trio_stream.config.reading import name_of

_WIDTH: Final = 50
"""Columns before the comments, for the usual values."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "show-config",
        help="print all settings, and where each comes from",
        description="Print every setting with its value, and where that comes from: a flag, the"
        " environment, the file, or the default. The output is itself a configuration file.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    add_either_settings(parser)


def run(parsed: argparse.Namespace) -> int:
    """Print the settings; returns the exit status."""
    try:
        loaded = either_settings_of(parsed)
    except ConfigError as error:
        return failed(error, 2)
    for each in fields(loaded.config):
        name, value = name_of(each), getattr(loaded.config, each.name)
        origin = loaded.origins.get(name, "default")
        line = f"# {name} is not set"
        if value is not None:
            line = f"{name} = {_toml(value)}"
        print(f"{line:{_WIDTH}}  # {origin}")
    return 0


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
    # A string of JSON is one of TOML, if it holds no control character but escaped ones.
    return json.dumps(str(value), ensure_ascii=False)
