"""Which chains the tests of this folder run, and the homes that they begin with.

The environment variable CHAINS says which: `default` (also when it is not set) is Cosmos SDK 0.50
if `make chains` has built it, `all` are all of them, and one that is missing is an error then;
`none` is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trio

from scripts.chains import build, simd
from scripts.chains.build import Chain
from scripts.chains.simd import Simd
from scripts.engines import home
from scripts.engines.home import Key, Value

MakeChain = Callable[..., Simd]


def chosen() -> list[object]:
    """The names that CHAINS asks for, each of them built; or a skip that says why."""
    asked = os.environ.get("CHAINS", "default")
    match asked:
        case "none":
            missing = "CHAINS asks for none"
        case "all":
            if absent := [
                each.name for each in build.CHAINS.values() if not each.is_there()
            ]:
                raise pytest.UsageError(
                    f"not built: {', '.join(absent)}; run make chains"
                )
            return [*build.CHAINS]
        case "default":
            if build.CHAINS[build.DEFAULT].is_there():
                return [build.DEFAULT]
            missing = f"{build.DEFAULT} is not built: make chains"
        case _:
            raise pytest.UsageError(
                f"CHAINS must be default, all or none, not {asked!r}"
            )
    return [pytest.param(None, marks=pytest.mark.skip(missing), id="none")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chain" in metafunc.fixturenames:
        metafunc.parametrize("chain", chosen(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def chain(request: pytest.FixtureRequest) -> Chain:
    return build.CHAINS[request.param]


@pytest.fixture(scope="session")
def made(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Simd:
    """A chain with keys and a genesis file, which never runs."""
    it = Simd(chain, tmp_path_factory.mktemp("made") / "home", 0, 0)
    trio.run(simd.make, it)
    return it


@pytest.fixture
def make_chain(made: Simd, tmp_path: Path) -> MakeChain:
    """Make a chain that has no block yet, with those settings of the engine and the application."""

    def make(
        settings: Mapping[Key, Value] | None = None,
        application: Mapping[Key, Value] | None = None,
    ) -> Simd:
        rpc, p2p = home.free_ports(2)
        place = tmp_path / "chain"
        it = Simd(made.chain, place, rpc, p2p, settings or {}, application or {})
        simd.copy(made, it)
        return it

    return make
