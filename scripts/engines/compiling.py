"""Compiles what is written in Go, by module path and version.

A program that is already there is left alone: a stamp beside the binary names its version and the
Go that built it. A binary appears by an atomic rename, and a lock per name keeps two programs from
building the same one twice. What Go said is in a log beside them.

A program is built by `go install`, or from a go.mod of our own if its module needs one; ours are
built from their own folder.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scripts.engines import go_toolchain


class BuildFailed(Exception):
    """A program could not be built; the text says why in a few lines."""


class OutOfReach(BuildFailed):
    """There was no network to fetch it by, or not enough of time or memory."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that Go compiles: `name` is its own, a hyphen and its version."""

    name: str
    package: str
    go_mod: str | None = None
    """None: `go install package@version` does it."""
    sources: Path | None = None
    """A folder that has a module of ours, with go.mod and go.sum; the package is in there."""
    longest: float = threading.TIMEOUT_MAX
    """Seconds that Go may take."""

    @property
    def program(self) -> str:
        return self.name.partition("-")[0]

    @property
    def version(self) -> str:
        return "v" + self.name.partition("-")[2]

    @property
    def shelf(self) -> Path:
        """Where all programs of this kind are."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        return self.shelf / self.name

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


def build(programs: Sequence[Program]) -> None:
    """Build those of `programs` that are missing; raises BuildFailed or NoToolchain."""
    toolchain: tuple[Path, str] | None = None
    for number, program in enumerate(programs, 1):
        label = f"[{number}/{len(programs)}] {program.name}"
        program.shelf.mkdir(parents=True, exist_ok=True)
        with _building(program, label):
            if program.is_there():
                _say(f"{label}: already built")
                continue
            toolchain = toolchain or go_toolchain.find(_say)
            _build_one(program, *toolchain, label)


@contextlib.contextmanager
def _building(program: Program, label: str) -> Iterator[None]:
    """Hold the lock of that program; prints a line if another program holds it."""
    with open(f"{program.folder}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{label}: waiting for another program that is building it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_one(program: Program, go: Path, go_version: str, label: str) -> None:
    _say(f"{label}: building with {go_version}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(
        prefix=f"{program.name}.", dir=program.shelf
    ) as text:
        place = Path(text)
        out = place / "out"
        out.mkdir()
        environment = _environment(program, go, out)
        try:
            _run_go(program, go, place, environment, label)
        except ChecksumsOutOfReach:
            _say(
                f"{label}: sum.golang.org cannot be reached; building without its checksums"
            )
            _run_go(program, go, place, {**environment, "GOSUMDB": "off"}, label)
        (out / "stamp").write_text(
            f"{program.program} {program.version} {go_version}\n"
        )
        shutil.rmtree(program.folder, ignore_errors=True)
        out.rename(program.folder)
    seconds = time.monotonic() - started
    size = program.binary.stat().st_size / 1e6
    _say(f"{label}: built in {seconds:.0f} s, {size:.0f} MB")


def _environment(program: Program, go: Path, out: Path) -> dict[str, str]:
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
        environment["GOPATH"] = str(program.shelf / "go")
        environment["GOCACHE"] = str(program.shelf / "go-cache")
        environment["GOFLAGS"] += " -modcacherw"
    return environment


class ChecksumsOutOfReach(Exception):
    """The server of checksums cannot be reached."""


def _run_go(
    program: Program, go: Path, place: Path, environment: dict[str, str], label: str
) -> None:
    output = str(place / "out" / program.program)
    if program.sources is not None:
        place = program.sources
        arguments = ["build", "-v", "-mod=readonly", "-o", output, program.package]
    elif program.go_mod is None:
        arguments = ["install", "-v", f"{program.package}@{program.version}"]
    else:
        (place / "go.mod").write_text(program.go_mod)
        arguments = ["build", "-v", "-mod=mod", "-o", output, program.package]
    said: deque[str] = deque(maxlen=60)
    with (
        open(f"{program.folder}.log", "w") as log,
        subprocess.Popen(
            [go, *arguments],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stderr is not None
        timer = threading.Timer(program.longest, process.kill)
        timer.start()
        try:
            _follow(_copied(process.stderr, log), said, label)
        finally:
            timer.cancel()
    if process.returncode == -signal.SIGKILL:
        raise OutOfReach(f"{program.name} was killed: it took too long or too much")
    if process.returncode != 0:
        raise failure(program, said)


def _copied(lines: Iterable[str], log: TextIO) -> Iterator[str]:
    """The lines, which go to the log of the build too."""
    for line in lines:
        log.write(line)
        yield line


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


NETWORK = (
    "GOPROXY=off",
    "dial tcp",
    "no such host",
    "i/o timeout",
    "unreachable",
    "TLS handshake",
)


def failure(program: Program, said: Sequence[str]) -> Exception:
    """The error that the output of go stands for."""
    text = "\n".join(said)
    offline = next((line for line in said if any(word in line for word in NETWORK)), "")
    # A checksum that differs is never ignored; one that cannot be fetched is.
    if offline and "sum.golang.org" in offline and "SECURITY ERROR" not in text:
        return ChecksumsOutOfReach()
    if offline:
        why = offline[max(offline.find('Get "'), 0) :]
        return OutOfReach(
            f"{program.name} could not be downloaded; check the network ({why})"
        )
    return BuildFailed(f"{program.name} did not build:\n{text or '(no output)'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def command(
    arguments: Sequence[str] | None,
    catalogue: Mapping[str, Program],
    *,
    kind: str,
    prog: str,
    description: str,
) -> int:
    """The command line that builds what is in a catalogue."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    parser.add_argument("--list", action="store_true", help="list what can be built")
    parser.add_argument("--path", metavar="NAME", help="print the path of its binary")
    options = parser.parse_args(arguments)
    named = [*options.names, *filter(None, [options.path])]
    unknown = sorted(set(named) - catalogue.keys())
    if unknown:
        parser.error(f"no such {kind}: {', '.join(unknown)} (see --list)")
    if options.path:
        print(catalogue[options.path].binary)
        return 0 if catalogue[options.path].is_there() else 1
    chosen = [catalogue[name] for name in options.names or catalogue]
    if options.list:
        for each in chosen:
            print(f"{each.name:20} {'built' if each.is_there() else 'not built'}")
        return 0
    try:
        build(chosen)
    except (BuildFailed, go_toolchain.NoToolchain) as error:
        print(f"{kind}s: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
