"""The units of systemd: systemd itself finds nothing wrong, and they fit what the daemon does."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.deploy.recipes import FOLDER, changed, recipe
from trio_stream.config import Config, load
from trio_stream.net.notify import STATUS_PERIOD

UNITS = ("trio-stream.service", "cometbft.service")
PROGRAMS = {
    "/opt/trio-stream/bin/trio-stream run": "/bin/true run",
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


def test_both_are_restarted_whatever_happens() -> None:
    for unit in UNITS:
        assert values(unit, "Restart") == ["always"]
    assert values("cometbft.service", "Requires") == ["trio-stream.service"]


def test_times_fit_the_defaults_of_the_daemon() -> None:
    (stop,) = values("trio-stream.service", "TimeoutStopSec")
    assert int(stop) > Config().shutdown_total
    (watchdog,) = values("trio-stream.service", "WatchdogSec")
    assert int(watchdog) >= 3 * STATUS_PERIOD
    assert values("trio-stream.service", "Type") == ["notify"]


def test_both_are_hardened_alike() -> None:
    own = {"Type", "User", "ExecStart", "ExecReload", "WatchdogSec", "StateDirectory"}
    own |= {"TimeoutStartSec", "TimeoutStopSec", "Description", "Requires", "After"}

    def common(unit: str) -> set[str]:
        lines = re.findall(r"^(\w+)=(.*)$", recipe(unit), re.M)
        return {f"{name}={value}" for name, value in lines if name not in own}

    assert common(UNITS[0]) == common(UNITS[1])


def test_the_configuration_is_one() -> None:
    printed = tomllib.loads(recipe("node.toml"))
    config = load({}, {}, file=FOLDER / "node.toml")
    assert str(config.home) == printed["home"]
    (state,) = values("trio-stream.service", "StateDirectory")
    assert printed["home"] == f"/var/lib/{state}"
    (command,) = values("trio-stream.service", "ExecStart")
    place = recipe("node.toml").splitlines()[0].removeprefix("# ")
    assert command.endswith(f" run --config {place}")
