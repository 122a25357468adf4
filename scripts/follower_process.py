"""A follower as a child process, started as any user would start it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerSettings:
    """Whom it follows, where it lives and where it listens; port 0 lets it choose.

    It is run as a node is: `daemon_process.run_daemon` and `start_daemon`.
    """

    home: Path
    node: Sequence[str]
    start: str | int = "earliest"
    stream: str = "127.0.0.1:0"
    api: str = "127.0.0.1:0"
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    """A program that runs it, with that program's arguments."""
    doors: frozenset[str] = frozenset({"stream", "api"})

    def command(self) -> list[str]:
        """What starts it."""
        return [
            *self.prefix,
            *(sys.executable, "-m", "trio_stream"),
            *self.arguments_of_follow(),
        ]

    def arguments_of_follow(self) -> list[str]:
        """What stands behind the program's name."""
        return [
            "follow",
            *("--home", str(self.home)),
            *(part for url in self.node for part in ("--node", url)),
            *("--from", str(self.start)),
            *("--stream", self.stream),
            *("--api", self.api),
            # For `start_daemon`, and for whoever reads the file.
            *("--log-format", "human"),
            *self.arguments,
        ]
