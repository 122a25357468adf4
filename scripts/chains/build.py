"""Builds real chains: `python -m scripts.chains.build [NAME...]`, or `make chains`.

`simd` is the example application of the Cosmos SDK: accounts, bank, staking and all else that
public chains have. Go compiles it with its engine in it, by module path and version, into
`.chains/NAME/`, which git ignores, or below `CHAINS_DIR`. From 0.47 on the SDK's own is no module
any more, but ibc-go has one.

A cold build takes 4 to 8 minutes on two cores and 5 GB of Go's caches, so it runs at the lowest
priority. Its log stays beside the result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts import child
from scripts.engines import compiling

FOLDER = Path(os.environ.get("CHAINS_DIR") or child.ROOT / ".chains").absolute()
DEFAULT = "simd-0.50.9"


@dataclass(frozen=True, slots=True)
class Chain(compiling.Program):
    """An application with its engine; its version is the SDK's."""

    @property
    def shelf(self) -> Path:
        return FOLDER

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor version of the SDK."""
        major, minor, _ = self.version[1:].split(".")
        return int(major), int(minor)


CHAINS = {
    chain.name: chain
    for chain in (
        Chain(
            "simd-0.46.16",
            "github.com/cosmos/cosmos-sdk/simapp/simd",
            Path(__file__).with_name("simd_0_46.mod").read_text(),
        ),
        Chain(
            "simd-0.50.9",
            "github.com/cosmos/ibc-go/v8/testing/simapp/simd",
            Path(__file__).with_name("simd_0_50.mod").read_text(),
        ),
    )
}


def main(arguments: Sequence[str] | None = None) -> int:
    return compiling.command(
        arguments,
        CHAINS,
        kind="chain",
        prog="python -m scripts.chains.build",
        description="Build chains of the Cosmos SDK.",
    )


if __name__ == "__main__":
    os.nice(19)
    sys.exit(main())
