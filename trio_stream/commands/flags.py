"""The flags that are settings, for each command that reads the configuration as `run` does."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from trio_stream.config import Config, Loaded, load_traced

_FLAGS: Final = (
    ("--home", "DIR", "data directory (default: ./trio_stream_data)"),
    (
        "--abci",
        "ADDRESS",
        "tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:26658)",
    ),
    (
        "--stream",
        "HOST:PORT",
        "where the WebSocket server listens (default: localhost:9985)",
    ),
    ("--api", "HOST:PORT", "where the HTTP server listens (default: localhost:9984)"),
    ("--node", "URL", "the consensus engine's RPC (default: http://localhost:26657)"),
    (
        "--log-level",
        "LEVEL",
        "debug, info, warning, error or critical (default: info)",
    ),
    (
        "--log-format",
        "FORMAT",
        "human, json, or auto: human on a terminal and json elsewhere (default)",
    ),
)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML, or BigchainDB's JSON"
    )
    for flag, metavar, text in _FLAGS:
        parser.add_argument(flag, metavar=metavar, help=text)


def settings_of(parsed: argparse.Namespace) -> Loaded[Config]:
    """The configuration that these flags, the environment and the file make.

    Raises ConfigError.
    """
    names = [flag.removeprefix("--").replace("-", "_") for flag, *_ in _FLAGS]
    given = {name: getattr(parsed, name) for name in names}
    return load_traced(given, os.environ, file=parsed.config)
