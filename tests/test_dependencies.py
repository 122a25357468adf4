"""What is imported is declared, and what is declared is used.

A package that is only there because another one needs it leaves with that one's next release; one
that nobody imports is installed for nothing.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from scripts import child

# In one process, since each reads much that the next one needs too.
pytestmark = pytest.mark.xdist_group("dependencies")

CONFIGURATION = configparser.ConfigParser()
CONFIGURATION.read(child.ROOT / "setup.cfg")
OURS = {"trio_stream", "scripts", "tests"}
# These run in an interpreter of their own, with requirements of their own.
ELSEWHERE = child.ROOT / "tests" / "interop" / "python"

USED_WITHOUT_IMPORT = {
    "grpcio-tools": r"-m grpc_tools\.protoc",
    "import-linter": r"/lint-imports",
    "pytest-cov": r"pytest --cov",
    "flake8-async": r"ASYNC\d",
    "flake8-bugbear": r"B\d{3}\b",
    "setuptools": r"--no-build-isolation",
    "types-protobuf": r"/mypy",
    "types-pyyaml": r"/mypy",
    "websockets": r"from websockets\.sync",
    **{tool: rf"/{tool}\b" for tool in ("black", "flake8", "isort", "mypy")},
    "coverage": r"\[coverage:run\]",
    "pytest-trio": r"trio_mode",
    "pytest-xdist": r"--dist",
}
"""Tools, and what in the Makefile, setup.cfg, the manual or the tests shows that they are used."""

# Overridden in what is their own business, so that any release but a fix may break us.
OVERRIDDEN = ("hypercorn", "quart", "quart-trio", "trio-websocket")


BASE = ""
"""What is installed without an extra: the client's requirements."""


def requirements(*extras: str) -> dict[str, list[str]]:
    """What these extras declare: by name, each with its bounds and markers."""
    declared = {
        BASE: CONFIGURATION["options"]["install_requires"],
        **CONFIGURATION["options.extras_require"],
    }
    lines = "\n".join(declared[extra] for extra in extras).splitlines()
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, lines)):
        if not line.startswith("#"):
            name, rest = re.fullmatch(r"([\w.-]+)\s*(.*)", line).groups()
            found.setdefault(normal(name), []).append(rest)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def imported(*folders: str) -> dict[str, str]:
    """The packages of others that are imported, each with a file that does."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((child.ROOT / folder).rglob("*.py")):
            if ELSEWHERE in path.parents:
                continue
            text = path.read_text(encoding="utf-8")
            # Reading the syntax of all files takes long; most import nothing new.
            if not perhaps_imported(text) - sys.stdlib_module_names - OURS - set(found):
                continue
            for name in imports(text):
                if name not in sys.stdlib_module_names | OURS:
                    found.setdefault(name, str(path.relative_to(child.ROOT)))
    return found


def perhaps_imported(text: str) -> set[str]:
    """All that is imported, and other words of lines that may be no imports but prose."""
    lines = re.findall(
        r"^[ \t]*(?:from|import)\b(.*?)(?: import\b|$)", text, re.MULTILINE
    )
    return set(re.findall(r"\w+", "\n".join(lines)))


def imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


@cache
def installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions(name: str) -> set[str]:
    return {normal(each) for each in installed().get(name, [name])}


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (["trio_stream"], [BASE, "server"]),
        (["scripts", "tests"], [BASE, "server", "dev"]),
    ],
)
def test_what_is_imported_is_declared(folders: list[str], extras: list[str]) -> None:
    declared = set(requirements(*extras))
    missing = {
        name: place
        for name, place in imported(*folders).items()
        if not distributions(name) & declared
    }
    assert missing == {}


def test_what_is_declared_is_imported() -> None:
    used = {each for name in imported("trio_stream") for each in distributions(name)}
    assert set(requirements(BASE, "server")) - used == set()


def test_the_client_and_the_node_share_no_requirement() -> None:
    assert set(requirements(BASE)) & set(requirements("server")) == set()
    assert requirements("client") == {}


def test_what_is_declared_for_development_is_used() -> None:
    used = {
        each for name in imported("scripts", "tests") for each in distributions(name)
    }
    files = [child.ROOT / name for name in ("Makefile", "setup.cfg", "README.md")]
    files += (child.ROOT / "tests").rglob("*.py")
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    used |= {tool for tool, by in USED_WITHOUT_IMPORT.items() if re.search(by, text)}
    assert set(requirements("dev")) - used == set()


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_has_an_upper_bound(name: str) -> None:
    declared = requirements(BASE, "server")
    bounds = [bound.partition(";")[0] for bound in declared[name]]
    assert all(re.search(r"< 0\.\d+$|~= 0\.\d+\.\d+$", bound) for bound in bounds)
