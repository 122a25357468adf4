"""Installs the public BigchainDB drivers: `python -m scripts.interop_env`.

They go into `.interop/`, which git ignores, or below `INTEROP_DIR`: the PyPI package
`bigchaindb-driver` into its own virtual environment, because its pins date from 2018, and beside it
the npm package of the same name, as well as EventSource clients, cosmjs and axe from npm, and a
program on CometBFT's own client, which Go compiles. The files in `tests/interop/` lock what is
installed. A stamp names the lock and interpreter; what is there and matches is left alone, and a
file lock keeps two programs from installing one thing twice.

The Python driver can be installed in two ways. With Python 3.9 all of its own pins hold; three of
them have no wheel and are compiled, libsodium among them, which takes a minute or two and needs a
C++ compiler. Otherwise the Python that runs this is used, with current releases of what the driver
needs, and with a line over hashlib in place of `sha3`, which no longer builds. `INTEROP_PYTHON`
names another interpreter.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.engines import compiling, go_toolchain

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("INTEROP_DIR") or ROOT / ".interop").absolute()
LOCKS = ROOT / "tests" / "interop"

RECIPE = "1"
"""Part of each stamp: a new number has every environment rebuilt."""

GO_SECONDS = 600.0
"""How long Go may fetch and compile; it takes half a minute to two where nothing is there."""


class NotHere(Exception):
    """This machine lacks an interpreter or compiler for it, or what a compiler needs."""


class InstallFailed(Exception):
    """A driver could not be installed; the text ends with the installer's output."""


def python_driver() -> Path:
    """The interpreter that can import the Python driver."""
    python, old = _python()
    lock = LOCKS / ("requirements-3.9.txt" if old else "requirements.txt")
    version = _output([python, "-c", "import sys; print(sys.version)"])
    folder = FOLDER / ("python-3.9" if old else "python")
    with _installing(folder, [version, *_texts(lock)]) as wanted:
        if wanted:
            _install_python(python, folder, lock, old=old)
    return folder / "bin" / "python"


def node_driver() -> Path:
    """The `node_modules` that hold the JavaScript driver; NotHere without node or npm."""
    return _node_modules("node", LOCKS)


def event_sources() -> Path:
    """The folder whose programs find the EventSource clients; NotHere without node or npm."""
    return _node_modules("eventsources", LOCKS / "eventsources").parent


def cosmjs() -> Path:
    """The folder whose programs find cosmjs; NotHere without node or npm."""
    return _node_modules("cosmjs", LOCKS / "cosmjs").parent


def axe() -> Path:
    """The script that finds what keeps people out of a page; NotHere without node or npm."""
    return _node_modules("axe", LOCKS / "axe") / "axe-core" / "axe.min.js"


@dataclass(frozen=True, slots=True)
class GoProgram(compiling.Program):
    """A program of ours on a public module; its version says what its files are."""

    @property
    def shelf(self) -> Path:
        return FOLDER

    @property
    def folder(self) -> Path:
        return self.shelf / self.program


def go_client() -> Path:
    """The program on CometBFT's own client; NotHere without Go, or a network to fetch it by."""
    sources = LOCKS / "gocometbft"
    texts = _texts(*sorted(sources.iterdir()))
    version = hashlib.sha256("\0".join([RECIPE, *texts]).encode()).hexdigest()[:12]
    program = GoProgram(
        f"gocometbft-{version}", ".", sources=sources, longest=GO_SECONDS
    )
    try:
        compiling.build([program])
    except (go_toolchain.NoToolchain, compiling.OutOfReach) as error:
        raise NotHere(str(error)) from None
    except compiling.BuildFailed as error:
        raise InstallFailed(str(error)) from None
    return program.binary


def _node_modules(name: str, place: Path) -> Path:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotHere(f"{'npm' if node else 'node'} is not installed")
    locks = [place / "package.json", place / "package-lock.json"]
    folder = FOLDER / name
    version = _output([node, "--version"])
    with _installing(folder, [version, *_texts(*locks)]) as wanted:
        if wanted:
            folder.mkdir()
            for lock in locks:
                shutil.copy(lock, folder)
            _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return folder / "node_modules"


def _python() -> tuple[str, bool]:
    """An interpreter, and whether it is a 3.9, for which the driver's own pins hold."""
    if chosen := os.environ.get("INTEROP_PYTHON"):
        return chosen, _is_old(chosen)
    versions = Path("~/.pyenv/versions").expanduser()
    found = [shutil.which("python3.9"), *sorted(versions.glob("3.9.*/bin/python"))]
    candidates = map(str, filter(None, found))
    old = next(filter(_is_old, candidates), None)
    return old or sys.executable, old is not None


def _is_old(python: str) -> bool:
    check = "import sys, venv, ensurepip; assert sys.version_info[:2] == (3, 9)"
    # pyenv's own python3.9 is a shim that may only report that no version is selected.
    return subprocess.run([python, "-c", check], capture_output=True).returncode == 0


def _install_python(python: str, folder: Path, lock: Path, *, old: bool) -> None:
    _run([python, "-m", "venv", str(folder)], ROOT)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-deps"]
    more: dict[str, str] = {}
    if old:
        # That release of libsodium asks for 64-byte alignment of a structure whose size is not a
        # multiple of 64, which compilers now refuse. It is for hashes that are not used here.
        header = folder / "alignment.h"
        header.write_text("#define CRYPTO_ALIGN(x)\n")
        more = {"CFLAGS": f"-include {header}", "MAKEFLAGS": "-j2"}
    else:
        inside = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = Path(_output([pip[0], "-c", inside]))
        (packages / "sha3.py").write_text("from hashlib import sha3_256\n")
    build = lock.with_stem(f"{lock.stem}-build")
    _run([*pip, "-r", str(build)], ROOT)
    # Old packages are built with the locked tools, not with today's.
    _run([*pip, "--no-build-isolation", "-r", str(lock)], ROOT, more)


@contextlib.contextmanager
def _installing(folder: Path, what: Sequence[str]) -> Iterator[bool]:
    """Hold the folder's lock; yields True if it must be filled, and records it afterwards."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\0".join([RECIPE, str(folder), *what]).encode())
    stamp = folder / "stamp"
    with open(FOLDER / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            yield False
            return
        print(f"interop_env: installing into {folder}", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        yield True
        stamp.write_text(digest.hexdigest())


def _texts(*files: Path) -> list[str]:
    return [file.read_text() for file in files]


def _output(command: Sequence[str]) -> str:
    return subprocess.check_output(command, text=True).strip()


def _run(
    command: Sequence[str], place: Path, more: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise InstallFailed(f"{' '.join(command)} failed:\n{end}")


def main() -> int:
    try:
        print(f"Python driver: {python_driver()}")
        print(f"JavaScript driver: {node_driver()}")
        print(f"EventSource clients: {event_sources()}")
        print(f"cosmjs: {cosmjs()}")
        print(f"CometBFT's client: {go_client()}")
        print(f"axe: {axe()}")
    except (InstallFailed, NotHere) as error:
        print(f"interop_env: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
