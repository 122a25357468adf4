"""The flags that are settings, for each command that reads the configuration as a daemon does."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from trio_stream.config import Config, FollowConfig, Loaded, load_follow, load_traced


class _Flag(NamedTuple):
    flag: str
    metavar: str
    text: str

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")


_DOORS: Final = (
    _Flag(
        "--stream",
        "HOST:PORT",
        "where the WebSocket server listens (default: localhost:9985)",
    ),
    _Flag(
        "--api",
        "HOST:PORT",
        "where the HTTP server listens (default: localhost:9984)",
    ),
    _Flag(
        "--log-level",
        "LEVEL",
        "debug, info, warning, error or critical (default: info)",
    ),
    _Flag(
        "--log-format",
        "FORMAT",
        "human, json, or auto: human on a terminal and json elsewhere (default)",
    ),
)
_HOME: Final = _Flag("--home", "DIR", "data directory (default: ./trio_stream_data)")
_ABCI: Final = _Flag(
    "--abci",
    "ADDRESS",
    "tcp://HOST:PORT or unix://PATH (default: tcp://127.0.0.1:26658)",
)
_NODE: Final = _Flag(
    "--node", "URL", "the consensus engine's RPC (default: http://localhost:26657)"
)
_OF_RUN: Final = (_HOME, _ABCI, *_DOORS[:2], _NODE, *_DOORS[2:])

_NODES: Final = _Flag(
    "--node",
    "URL",
    "RPC of a node of the chain, http:// or https://; again for more nodes",
)
_FOLLOW_HOME: Final = _Flag(
    "--home", "DIR", "data directory (default: ./trio_stream_followed)"
)
_FOLLOW_ONLY: Final = (
    _Flag(
        "--from",
        "PLACE",
        "where a new log begins: earliest, tip (default) or a height",
    ),
    _Flag(
        "--agree",
        "NODES",
        "how many nodes must say the same of a block (default: 1)",
    ),
    _Flag(
        "--confirm",
        "BLOCKS",
        "1: a block is stored once the next one confirms its results (default: 0, at once)",
    ),
    _Flag(
        "--index-keys",
        "KEYS",
        "flagged (default), all, none, or keys with commas in between: what makes old"
        " messages quick to find",
    ),
    _Flag(
        "--keep",
        "AMOUNT",
        "7d, 100000 blocks, 50GB, or several: what is older is dropped"
        " (default: everything is kept)",
    ),
    _Flag(
        "--rate",
        "NUMBER",
        "requests per second to each node (default: 5, and 1000 on this machine)",
    ),
    _Flag(
        "--attributes",
        "SPELLING",
        "how nodes write attributes: auto (default), plain or base64",
    ),
)
_ALLOW_GAPS: Final = "--allow-gaps"


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `run`."""
    _add_config(parser, "TOML, or BigchainDB's JSON")
    _add(parser, _OF_RUN)


def settings_of(parsed: argparse.Namespace) -> Loaded[Config]:
    """The configuration that these flags, the environment and the file make.

    Raises ConfigError.
    """
    return load_traced(_given(parsed, _OF_RUN), os.environ, file=parsed.config)


def add_follow_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `follow`."""
    _add_config(parser, "TOML")
    _add_nodes(parser)
    _add(parser, (_FOLLOW_HOME, *_DOORS))
    _add_follow_only(parser)


def follow_settings_of(parsed: argparse.Namespace) -> Loaded[FollowConfig]:
    """As `settings_of`, for `follow`."""
    flags = _given(parsed, (_NODES, _FOLLOW_HOME, *_DOORS, *_FOLLOW_ONLY))
    flags["allow_gaps"] = parsed.allow_gaps
    return load_follow(flags, os.environ, file=parsed.config)


def add_either_settings(parser: argparse.ArgumentParser) -> None:
    """Add the flags of both, and one that says which are meant."""
    parser.add_argument(
        "--follow", action="store_true", help="the settings of `follow`, not of `run`"
    )
    _add_config(parser, "TOML, or BigchainDB's JSON")
    _add_nodes(parser)
    _add(parser, (_HOME, _ABCI, *_DOORS))
    _add_follow_only(parser)


def either_settings_of(
    parsed: argparse.Namespace,
) -> Loaded[Config] | Loaded[FollowConfig]:
    """As `settings_of`, for the one that is meant."""
    every = (_HOME, _ABCI, _NODES, *_DOORS, *_FOLLOW_ONLY)
    flags = _given(parsed, every) | {"allow_gaps": parsed.allow_gaps}
    if parsed.follow:
        return load_follow(flags, os.environ, file=parsed.config)
    if parsed.node:
        flags["node"] = parsed.node[-1]
    return load_traced(flags, os.environ, file=parsed.config)


def _add_config(parser: argparse.ArgumentParser, kind: str) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help=kind)


def _add(parser: argparse.ArgumentParser, flags: Iterable[_Flag]) -> None:
    for flag, metavar, text in flags:
        parser.add_argument(flag, metavar=metavar, help=text)


def _add_nodes(parser: argparse.ArgumentParser) -> None:
    flag, metavar, text = _NODES
    parser.add_argument(flag, metavar=metavar, action="append", help=text)


def _add_follow_only(parser: argparse.ArgumentParser) -> None:
    _add(parser, _FOLLOW_ONLY)
    parser.add_argument(
        _ALLOW_GAPS,
        action="store_const",
        const=True,
        help="go on where no node has a block, and say so in the streams",
    )


def _given(parsed: argparse.Namespace, flags: Iterable[_Flag]) -> dict[str, object]:
    return {each.name: getattr(parsed, each.name) for each in flags}
