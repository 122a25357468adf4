"""The wheel, installed for a client alone: without any package that only a node needs.

Nothing is downloaded: what the wheel says that a client requires is copied from this interpreter's
own packages into a fresh environment, where nothing else is.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
import trio
from packaging.requirements import Requirement

from scripts import child
from scripts.signing import create, encode
from tests.instant_node import instant_node
from tests.ledger.chains import ALICE

pytestmark = pytest.mark.slow

DOCUMENT = create(ALICE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # The tree stays as it is: setuptools leaves files where it builds.
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(child.ROOT / name, folder)
    shutil.copytree(
        child.ROOT / "trio_stream",
        folder / "trio_stream",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with what `pip install trio-stream[client]` installs."""
    home = tmp_path_factory.mktemp("client")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    pip("--python", home, "install", "--no-index", "--no-deps", wheel)
    target = Path(
        sysconfig.get_path("purelib", "venv", {"base": home, "platbase": home})
    )
    for name in required(wheel, "client"):
        copy(name, target)
    return home


def pip(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def required(wheel: Path, extra: str) -> set[str]:
    """The names of the packages that the wheel needs with this extra, their own needs included."""
    with ZipFile(wheel) as files:
        (name,) = [
            each for each in files.namelist() if each.endswith("dist-info/METADATA")
        ]
        metadata = HeaderParser().parsestr(files.read(name).decode())
    assert extra in metadata.get_all("Provides-Extra", [])
    found: set[str] = set()
    more = set(_needed(metadata.get_all("Requires-Dist", []), extra))
    while more:
        found |= more
        more = {
            needed
            for name in more
            for needed in _needed(distribution(name).requires or [], "")
        } - found
    return found


def _needed(requirements: list[str], extra: str) -> Iterator[str]:
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement.name


def copy(name: str, target: Path) -> None:
    """Copy an installed package."""
    for file in distribution(name).files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target / file)


def run(environment: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin" / command[0], *command[1:]],
        cwd=environment,
        capture_output=True,
        text=True,
    )


def test_what_a_client_requires_is_all_that_its_packages_require(
    environment: Path,
) -> None:
    assert "No broken requirements" in pip("--python", environment, "check")


def test_no_package_of_the_node_is_there(environment: Path, wheel: Path) -> None:
    required_by_node = {"apsw", "hypercorn", "quart", "PyNaCl", "protobuf"}
    assert required_by_node <= required(wheel, "server")
    listed = pip("--python", environment, "list", "--format", "freeze").splitlines()
    names = {line.partition("==")[0] for line in listed}
    assert {"trio", "trio_stream", "trio-websocket", "markdown-it-py"} <= names
    assert names & required_by_node == set()


async def test_the_client_follows_a_stream(environment: Path, tmp_path: Path) -> None:
    program = environment / "bin" / "trio-stream"
    options = ["--after", "earliest", "--until", "tip", "--json"]
    async with instant_node(tmp_path / "node") as node:
        node.block(encode(DOCUMENT))
        ran = await trio.run_process(
            [program, "tail", node.ws_url, *options],
            capture_stdout=True,
            capture_stderr=True,
            cwd=environment,
        )
    assert json.loads(ran.stdout)["transaction_id"] == DOCUMENT["id"]
    assert ran.stderr == b""


def test_the_node_says_what_to_install(environment: Path) -> None:
    ran = run(environment, "trio-stream", "run", "--home", "x")
    assert ran.returncode == 1
    assert "run needs packages that a client does not" in ran.stderr
    assert "pip install 'trio-stream[server]'" in ran.stderr


def test_the_wheel_has_the_files_that_are_read_at_run_time(wheel: Path) -> None:
    with ZipFile(wheel) as files:
        packed = set(files.namelist())
    source = child.ROOT / "trio_stream"
    wanted = {
        f"trio_stream/{path.relative_to(source)}"
        for path in source.rglob("*")
        # The picture is for the README.
        if path.is_file() and path.suffix not in (".pyc", ".png")
    }
    assert wanted - packed == set()


def test_the_manual_is_there(environment: Path) -> None:
    shown = run(environment, "trio-stream", "help", "client")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Client\n======\n")
