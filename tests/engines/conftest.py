"""Which engines the tests of this folder run against, and where each test's chain lives.

The environment variable ENGINES says which: `default` (also when it is not set), `all`, names
from `python -m scripts.engines.build --list`, or `none` if there is no network to build one with.
A missing engine is built; one that cannot be built is an error, never a skipped test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.engines import build, compiling
from scripts.engines.build import Release
from tests.engines.site import Site


def chosen() -> list[str]:
    """The names that ENGINES asks for."""
    words = os.environ.get("ENGINES", "default").replace(",", " ").split()
    names: list[str] = []
    for word in words:
        match word:
            case "all":
                names += build.ENGINES
            case "default":
                names.append(build.DEFAULT)
            case "none":
                pass
            case _ if word in build.ENGINES:
                names.append(word)
            case _:
                raise pytest.UsageError(f"ENGINES: there is no engine {word!r}")
    return names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        # A module may name the only engines that its subject is about.
        about = getattr(metafunc.module, "ENGINES", build.ENGINES)
        names: list[object] = [name for name in chosen() if name in about]
        if not names:
            reason = f"ENGINES asks for none of {', '.join(about)}"
            names = [pytest.param(None, marks=pytest.mark.skip(reason), id="none")]
        metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Release:
    """An engine whose binary is there."""
    wanted = build.ENGINES[request.param]
    compiling.build([wanted])
    return wanted


@pytest.fixture
def site(engine: Release, tmp_path: Path) -> Site:
    """Place and ports for one chain on that engine."""
    return Site(engine, tmp_path)
