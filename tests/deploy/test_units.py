"""The units of systemd: systemd itself finds nothing wrong, and they fit what the daemon does."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.recipes import FOLDER, changed, recipe
from trio_stream.config import DoorSettings, load_follow, load_traced
from trio_stream.config.sources import Loaded
from trio_stream.net.notify import STATUS_PERIOD

DAEMONS = ("trio-stream.service", "trio-stream-follow.service")
UNITS = (*DAEMONS, "cometbft.service")
PROGRAMS = {
    "/opt/trio-stream/bin/trio-stream run": "/bin/true run",
    "/opt/trio-stream/bin/trio-stream follow": "/bin/true follow",
    "/usr/local/bin/cometbft node": "/bin/true node",
}
ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for unit, old in zip(UNITS, PROGRAMS, strict=True):
        # The programs must be there.
        text = changed(recipe(unit), {old: PROGRAMS[old]})
        (tmp_path / unit).write_text(text)
    paths = [str(tmp_path / unit) for unit in UNITS]
    ran = subprocess.run(
        [str(ANALYZE), "verify", *paths], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def values(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", recipe(unit), re.M)


def test_all_are_restarted_whatever_happens() -> None:
    for unit in UNITS:
        assert values(unit, "Restart") == ["always"]
    assert values("cometbft.service", "Requires") == ["trio-stream.service"]


@pytest.mark.parametrize("unit", DAEMONS)
def test_times_fit_the_defaults_of_the_daemon(unit: str) -> None:
    (stop,) = values(unit, "TimeoutStopSec")
    assert int(stop) > DoorSettings().shutdown_total
    (watchdog,) = values(unit, "WatchdogSec")
    assert int(watchdog) >= 3 * STATUS_PERIOD
    assert values(unit, "Type") == ["notify"]


def test_all_are_hardened_alike() -> None:
    own = {"Type", "User", "ExecStart", "ExecReload", "WatchdogSec", "StateDirectory"}
    own |= {"TimeoutStartSec", "TimeoutStopSec", "Description", "Requires", "After"}
    own |= {"RestartSec"}

    def common(unit: str) -> set[str]:
        lines = re.findall(r"^(\w+)=(.*)$", recipe(unit), re.M)
        return {f"{name}={value}" for name, value in lines if name not in own}

    assert common(UNITS[0]) == common(UNITS[1]) == common(UNITS[2])


@pytest.mark.parametrize(
    ("unit", "name", "read"),
    [
        ("trio-stream.service", "node.toml", load_traced),
        ("trio-stream-follow.service", "follow.toml", load_follow),
    ],
)
def test_the_configuration_is_one(
    unit: str, name: str, read: Callable[..., Loaded[DoorSettings]]
) -> None:
    printed = tomllib.loads(recipe(name))
    config = read({}, {}, file=FOLDER / name).config
    assert str(config.home) == printed["home"]
    (state,) = values(unit, "StateDirectory")
    assert printed["home"] == f"/var/lib/{state}"
    (command,) = values(unit, "ExecStart")
    place = recipe(name).splitlines()[0].removeprefix("# ")
    assert command.endswith(f" --config {place}")
