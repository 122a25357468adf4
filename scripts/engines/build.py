"""Builds the consensus engines: `python -m scripts.engines.build [NAME...]`, or `make engines`.

The Go client fetches and compiles each engine, by module path and version, into `.engines/<name>/`,
which git ignores, or below `ENGINES_DIR`. An engine that is already there is left alone: a stamp
beside the binary names its version and the Go that built it. A binary appears by an atomic rename,
and a lock per name keeps two programs from building the same one twice.

There are three ways to build: CometBFT from 0.37 on by `go install`; older releases from a go.mod
of our own, because the module's name differs from its place (CometBFT 0.34) or because some module
proxies refuse the version list that `go install` asks for (Tendermint); and Tendermint 0.31 from a
go.mod that also pins all its dependencies.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.engines import go_toolchain

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ.get("ENGINES_DIR") or ROOT / ".engines").absolute()
DEFAULT = "cometbft-0.38.26"

TENDERMINT = "github.com/tendermint/tendermint"
COMETBFT = "github.com/cometbft/cometbft"


class BuildFailed(Exception):
    """An engine could not be built; the text says why in a few lines."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a consensus engine, and how to build it."""

    name: str
    package: str
    go_mod: str | None = None
    """None: `go install package@version` does it."""

    @property
    def program(self) -> str:
        return self.name.partition("-")[0]

    @property
    def version(self) -> str:
        return "v" + self.name.partition("-")[2]

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def binary(self) -> Path:
        return self.folder / self.program

    @property
    def stamp(self) -> Path:
        return self.folder / "stamp"

    def is_there(self) -> bool:
        try:
            built = self.stamp.read_text().split()
        except FileNotFoundError:
            return False
        return built[:2] == [self.program, self.version] and self.binary.is_file()


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


def build(engines: Sequence[Release]) -> None:
    """Build those of `engines` that are missing; raises BuildFailed or NoToolchain."""
    toolchain: tuple[Path, str] | None = None
    for number, engine in enumerate(engines, 1):
        label = f"[{number}/{len(engines)}] {engine.name}"
        FOLDER.mkdir(parents=True, exist_ok=True)
        with _building(engine, label):
            if engine.is_there():
                _say(f"{label}: already built")
                continue
            toolchain = toolchain or go_toolchain.find(_say)
            _build_one(engine, *toolchain, label)


@contextlib.contextmanager
def _building(engine: Release, label: str) -> Iterator[None]:
    """Hold the lock of that engine; prints a line if another program holds it."""
    with open(FOLDER / f"{engine.name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{label}: waiting for another program that is building it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_one(engine: Release, go: Path, go_version: str, label: str) -> None:
    _say(f"{label}: building with {go_version}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{engine.name}.", dir=FOLDER) as text:
        place = Path(text)
        out = place / "out"
        out.mkdir()
        environment = _environment(go, out)
        try:
            _run_go(engine, go, place, environment, label)
        except ChecksumsOutOfReach:
            _say(
                f"{label}: sum.golang.org cannot be reached; building without its checksums"
            )
            _run_go(engine, go, place, {**environment, "GOSUMDB": "off"}, label)
        (out / "stamp").write_text(f"{engine.program} {engine.version} {go_version}\n")
        shutil.rmtree(engine.folder, ignore_errors=True)
        out.rename(engine.folder)
    seconds = time.monotonic() - started
    size = engine.binary.stat().st_size / 1e6
    _say(f"{label}: built in {seconds:.0f} s, {size:.0f} MB")


def _environment(go: Path, out: Path) -> dict[str, str]:
    environment = {
        **os.environ,
        "GOBIN": str(out),
        # A `toolchain` line in a module must not download another Go.
        "GOTOOLCHAIN": "local",
        # As the engines' own Makefiles do; the binary then runs on any machine of this kind.
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false",
    }
    if Path(sys.prefix) in go.parents:
        # If we installed Go ourselves, its caches don't belong in the user's home either.
        environment["GOPATH"] = str(FOLDER / "go")
        environment["GOCACHE"] = str(FOLDER / "go-cache")
        environment["GOFLAGS"] += " -modcacherw"
    return environment


class ChecksumsOutOfReach(Exception):
    """The server of checksums cannot be reached."""


def _run_go(
    engine: Release, go: Path, place: Path, environment: dict[str, str], label: str
) -> None:
    if engine.go_mod is None:
        arguments = ["install", "-v", f"{engine.package}@{engine.version}"]
    else:
        (place / "go.mod").write_text(engine.go_mod)
        output = place / "out" / engine.program
        arguments = ["build", "-v", "-mod=mod", "-o", str(output), engine.package]
    said: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        [go, *arguments],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stderr is not None
        _follow(process.stderr, said, label)
    if process.returncode != 0:
        raise failure(engine, said)


def _follow(lines: Iterator[str], said: deque[str], label: str) -> None:
    """Read the output of go to its end; on a terminal, show one line of progress."""
    started = time.monotonic()
    terminal = sys.stderr.isatty()
    modules = packages = 0
    for line in lines:
        if line.startswith("go: downloading "):
            modules += 1
        elif " " not in line.strip():
            packages += 1  # -v names each package once it is compiled
        else:
            said.append(line.rstrip())
        if terminal:
            seconds = time.monotonic() - started
            progress = f"{modules} modules fetched, {packages} packages compiled"
            sys.stderr.write(f"\r{label}: {seconds:3.0f} s, {progress}\x1b[K")
            sys.stderr.flush()
    if terminal:
        sys.stderr.write("\r\x1b[K")


NETWORK = ("dial tcp", "no such host", "i/o timeout", "unreachable", "TLS handshake")


def failure(engine: Release, said: Sequence[str]) -> Exception:
    """The error that the output of go stands for."""
    text = "\n".join(said)
    offline = next((line for line in said if any(word in line for word in NETWORK)), "")
    # A checksum that differs is never ignored; one that cannot be fetched is.
    if offline and "sum.golang.org" in offline and "SECURITY ERROR" not in text:
        return ChecksumsOutOfReach()
    if offline:
        why = offline[max(offline.find('Get "'), 0) :]
        return BuildFailed(
            f"{engine.name} could not be downloaded; check the network ({why})"
        )
    return BuildFailed(f"{engine.name} did not build:\n{text or '(no output)'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.engines.build",
        description="Build the consensus engines.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    parser.add_argument("--list", action="store_true", help="list what can be built")
    parser.add_argument("--path", metavar="NAME", help="print the path of its binary")
    options = parser.parse_args(arguments)
    unknown = {*options.names, options.path or DEFAULT} - ENGINES.keys()
    if unknown:
        parser.error(f"no such engine: {', '.join(sorted(unknown))} (see --list)")
    if options.path:
        print(ENGINES[options.path].binary)
        return 0 if ENGINES[options.path].is_there() else 1
    chosen = [ENGINES[name] for name in options.names or ENGINES]
    if options.list:
        for engine in chosen:
            print(f"{engine.name:20} {'built' if engine.is_there() else 'not built'}")
        return 0
    try:
        build(chosen)
    except (BuildFailed, go_toolchain.NoToolchain) as error:
        print(f"engines: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
