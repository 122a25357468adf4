"""Builds the consensus engines: `python -m scripts.engines.build [NAME...]`, or `make engines`.

Each goes into `.engines/<name>/`, which git ignores, or below `ENGINES_DIR`.

There are three ways to build: CometBFT from 0.37 on by `go install`; older releases from a go.mod
of our own, because the module's name differs from its place (CometBFT 0.34) or because some module
proxies refuse the version list that `go install` asks for (Tendermint); and Tendermint 0.31 from a
go.mod that also pins all its dependencies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.engines import compiling

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ.get("ENGINES_DIR") or ROOT / ".engines").absolute()
DEFAULT = "cometbft-0.38.26"

TENDERMINT = "github.com/tendermint/tendermint"
COMETBFT = "github.com/cometbft/cometbft"


@dataclass(frozen=True, slots=True)
class Release(compiling.Program):
    """One release of a consensus engine, and how to build it."""

    @property
    def shelf(self) -> Path:
        return FOLDER


def _tendermint(version: str) -> Release:
    go_mod = f"module engine\ngo 1.16\nrequire {TENDERMINT} v{version}\n"
    return Release(f"tendermint-{version}", f"{TENDERMINT}/cmd/tendermint", go_mod)


def _pinned_tendermint(version: str, go_mod: Path) -> Release:
    return Release(
        f"tendermint-{version}", f"{TENDERMINT}/cmd/tendermint", go_mod.read_text()
    )


def _cometbft_as_tendermint(version: str) -> Release:
    # CometBFT 0.34 still calls itself github.com/tendermint/tendermint in its go.mod.
    go_mod = (
        f"module engine\ngo 1.21\nrequire {TENDERMINT} v0.34.24\n"
        f"replace {TENDERMINT} => {COMETBFT} v{version}\n"
    )
    return Release(f"cometbft-{version}", f"{TENDERMINT}/cmd/cometbft", go_mod)


def _cometbft(version: str) -> Release:
    return Release(f"cometbft-{version}", f"{COMETBFT}/cmd/cometbft")


ENGINES = {
    engine.name: engine
    for engine in (
        _pinned_tendermint("0.31.12", Path(__file__).with_name("tendermint_0_31.mod")),
        _tendermint("0.32.14"),
        _tendermint("0.33.9"),
        _tendermint("0.34.24"),
        _cometbft_as_tendermint("0.34.33"),
        _cometbft("0.37.18"),
        _cometbft("0.38.26"),
        _cometbft("0.39.4"),
        _cometbft("0.40.0"),
        _cometbft("1.0.1"),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    return compiling.command(
        arguments,
        ENGINES,
        kind="engine",
        prog="python -m scripts.engines.build",
        description="Build the consensus engines.",
    )


if __name__ == "__main__":
    sys.exit(main())
