"""Autobahn's fuzzing client against the WebSocket door: `python -m scripts.autobahn`.

The suite expects an echo, and this door does not send any, so a case that only misses its echo
passes: what counts is whether the handshake succeeds, what answers a Ping, and how the connection
is closed. Cases 1 to 7 and 10 run, or those named as arguments (`1.1.1 7.*`); 9 measures echoes,
and 12 and 13 need compression, which is not offered.

The suite dates from 2019 and needs a Python 2.7, named by `PYTHON27` or found on the PATH or under
pyenv; it is installed into `.interop/autobahn`, or below `INTEROP_DIR`. Exits with status 1 if a
case failed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import trio

from scripts.daemon_process import Settings, run_daemon
from scripts.interop_env import FOLDER

SUITE = "autobahntestsuite==0.8.2"
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
_RUN = "import sys; from autobahntestsuite import wstest; wstest.run()"
_AGENT = "trio_stream"


def find_python27() -> str | None:
    """A Python 2.7 that runs."""
    pyenv = sorted(Path.home().glob(".pyenv/versions/2.7.*/bin/python"))
    named = os.environ.get("PYTHON27")
    candidates = [named] if named else [shutil.which("python2.7"), *map(str, pyenv)]
    for each in candidates:
        if each and _runs(each):
            return each
    return None


def _runs(python: str) -> bool:
    try:
        command = [python, "-c", "import sys; sys.exit(sys.version_info[:2] != (2, 7))"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install(python: str) -> Path:
    """The folder that holds the suite."""
    folder = FOLDER / "autobahn"
    if not (folder / "installed").exists():
        command = [python, "-m", "pip", "install", "-q", "--target", str(folder), SUITE]
        subprocess.run(command, check=True)
        # A namespace package, which Python 2.7 does not find here without this file.
        (folder / "zope" / "__init__.py").touch()
        (folder / "installed").touch()
    return folder


def failures(case: dict[str, Any]) -> list[str]:
    """What is wrong according to a case's report, the missing echo aside."""
    found = []
    if case["behaviorClose"] not in ("OK", "INFORMATIONAL"):
        found.append(f"closed wrongly: {case.get('resultClose')}")
    received = _without_messages(case["received"])
    expected = [_without_messages(each) for each in case["expected"].values()]
    if case["behavior"] == "FAILED" and received not in expected:
        found.append(f"{case.get('result')}: {received}, not one of {expected}")
    return found


def _without_messages(events: list[list[Any]]) -> list[list[Any]]:
    """No echo is owed, and a case that waits for it in vain gives up after a moment."""
    return [each for each in events if each[0] not in ("message", "timeout")]


async def main() -> int:
    python = find_python27()
    if python is None:
        print("Autobahn needs Python 2.7; set PYTHON27 to its path", file=sys.stderr)
        return 2
    suite = install(python)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with run_daemon(Settings(home=folder / "home")) as daemon:
            spec = {
                "outdir": str(folder / "reports"),
                "servers": [{"agent": _AGENT, "url": daemon.stream}],
                "cases": sys.argv[1:] or CASES,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            arguments = ["-m", "fuzzingclient", "-s", str(folder / "spec.json")]
            await trio.run_process(
                [python, "-c", _RUN, *arguments],
                env={
                    **os.environ,
                    "PYTHONPATH": str(suite),
                    "PYTHONWARNINGS": "ignore",
                },
                cwd=folder,
                capture_stdout=True,
                capture_stderr=True,
            )
        return _report(folder / "reports")


def _report(folder: Path) -> int:
    index = json.loads((folder / "index.json").read_text())[_AGENT]
    bad = 0
    for number, entry in index.items():
        case = json.loads((folder / entry["reportfile"]).read_text())
        for why in failures(case):
            bad += 1
            print(f"{number}: {why}")
    print(f"{len(index)} cases, {bad} protocol failures")
    return 1 if bad or not index else 0


if __name__ == "__main__":
    sys.exit(trio.run(main))
