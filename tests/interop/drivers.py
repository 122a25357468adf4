"""Runs the programs that use a driver, each as a child of its own, and reads what they report."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import trio

from scripts import interop_env

SEEDS = {"alice": "01" * 32, "bob": "02" * 32, "carol": "03" * 32, "dave": "04" * 32}

LONGEST = 600.0
"""Seconds for a whole program; each of its waits has a shorter limit of its own."""


class StepFailed(AssertionError):
    """The driver, or the program around it, raised an error in a step."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What a program reported, by the name of the step."""

    values: Mapping[str, Any]
    errors: Mapping[str, str]

    def __getitem__(self, name: str) -> Any:
        if name in self.errors:
            raise StepFailed(f"{name}: {self.errors[name]}")
        return self.values[name]


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver that is installed, and how to run a program that uses it."""

    name: str
    command: tuple[str, ...]
    """What runs a program; its last word has a place for the program's name."""
    environment: Mapping[str, str] = field(default_factory=dict)

    async def run(self, program: str, **options: object) -> Steps:
        """Take all its steps; raises if it fails outside of them or takes too long."""
        *command, last = self.command
        with trio.fail_after(LONGEST):
            done = await trio.run_process(
                [*command, last.format(program)],
                stdin=json.dumps({"seeds": SEEDS, **options}).encode(),
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                cwd=interop_env.ROOT,
                env={**os.environ, **self.environment},
                check=False,
            )
        output = done.stdout.decode(errors="replace")
        assert done.returncode == 0, output
        # Whatever a library prints beside the report is not part of it.
        lines = [
            json.loads(line)
            for line in output.splitlines()
            if line.startswith('{"step"')
        ]
        assert lines, output
        return Steps(
            {line["step"]: line["value"] for line in lines if "value" in line},
            {line["step"]: line["error"] for line in lines if "error" in line},
        )


def _python() -> Driver:
    python = interop_env.python_driver()
    return Driver("python", (str(python), "-m", "tests.interop.python.{}"))


def _javascript() -> Driver:
    modules = interop_env.node_driver()
    return Driver(
        "javascript",
        ("node", "tests/interop/javascript/{}.cjs"),
        {"NODE_PATH": str(modules)},
    )


DRIVERS: Mapping[str, Callable[[], Driver]] = {
    "python": _python,
    "javascript": _javascript,
}
