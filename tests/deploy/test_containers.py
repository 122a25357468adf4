"""Images, compose files and Kubernetes manifests: what they say fits together and the daemon.

No container is started here. What the containers run is run by hand, with a real engine.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
import yaml

from scripts import child
from scripts.daemon_process import Settings, run_daemon
from scripts.engines import build, compiling
from scripts.engines.home import free_ports
from scripts.engines.process import Rpc, RunningEngine
from scripts.signing import Key, create, encode
from tests.deploy.recipes import FOLDER, changed, recipe
from trio_stream.config import Config, load, load_follow
from trio_stream.http.routes import LIVE, READY

COMPOSE = ("compose.yaml", "compose-four.yaml", "compose-follow.yaml")
ALICE = Key.from_seed(b"\x01" * 32)
DEADLINE = 120

VALIDATE = shutil.which(os.environ.get("KUBERNETES_VALIDATE", "kubernetes-validate"))


def instructions(target: str) -> list[tuple[str, str]]:
    """The instructions of one stage of the Dockerfile."""
    text = recipe("Dockerfile").replace("\\\n", " ")
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = found.setdefault(rest.rpartition(" AS ")[2], [])
        else:
            stage.append((name, rest))
    return found[target]


def copied(target: str) -> list[str]:
    """What a stage copies from the source tree."""
    words = [rest.split() for name, rest in instructions(target) if name == "COPY"]
    return [
        path for each in words if not each[0].startswith("--") for path in each[:-1]
    ]


def variables(target: str) -> dict[str, str]:
    pairs = [
        pair
        for name, rest in instructions(target)
        if name == "ENV"
        for pair in rest.split()
    ]
    return dict(pair.split("=", 1) for pair in pairs)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(recipe(name)))


@pytest.mark.slow
def test_the_copied_files_are_all_that_an_installation_needs(tmp_path: Path) -> None:
    for path in copied("daemon"):
        source, target = child.ROOT / path, tmp_path / path
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps"),
            *("--no-build-isolation", "-w", tmp_path / "wheel", tmp_path),
        ],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(list((tmp_path / "wheel").glob("*.whl"))) == 1


def test_what_is_copied_is_sent_to_the_builder() -> None:
    sent = re.findall(r"^!(.*)$", recipe("Dockerfile.dockerignore"), re.M)
    assert set(sent) == {*copied("daemon"), *copied("engine")}
    assert all((child.ROOT / path).exists() for path in sent)


def test_the_engine_is_the_one_that_everything_is_run_with() -> None:
    version = build.DEFAULT.removeprefix("cometbft-")
    assert f"cometbft@v{version}" in recipe("Dockerfile")


def test_the_image_of_the_daemon_is_configured() -> None:
    given = variables("daemon")
    config = load({}, given, file=None)
    assert (str(config.home), str(config.api), str(config.stream)) == (
        "/data",
        "0.0.0.0:9984",
        "0.0.0.0:9985",
    )
    assert given["PATH"].startswith("/opt/trio-stream/bin:")
    found = dict(instructions("daemon"))
    assert json.loads(found["ENTRYPOINT"]) == ["trio-stream"]
    assert json.loads(found["CMD"]) == ["run"]
    assert found["EXPOSE"] == "9984 9985"


@pytest.mark.parametrize("name", COMPOSE)
def test_what_a_compose_file_names_is_there(name: str) -> None:
    (document,) = documents(name)
    services = document["services"]
    for service in services.values():
        place = service["build"]
        assert (FOLDER / place["context"]).resolve() == child.ROOT
        assert (child.ROOT / place["dockerfile"]).is_file()
        assert instructions(place["target"])
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in document["volumes"]
        kind, _, other = service.get("network_mode", "").partition(":")
        assert not kind or (kind == "service" and other in services)


@pytest.mark.parametrize("name", COMPOSE)
def test_there_is_time_to_stop(name: str) -> None:
    (document,) = documents(name)
    for service in document["services"].values():
        if service["build"]["target"] == "daemon":
            grace = int(service["stop_grace_period"].removesuffix("s"))
            assert grace > Config().shutdown_total
            assert service["restart"] == "always"


def test_four_daemons_have_an_engine_each_and_ports_of_their_own() -> None:
    (document,) = documents("compose-four.yaml")
    services = document["services"]
    published = [port for each in services.values() for port in each.get("ports", ())]
    assert len({each.partition(":")[0] for each in published}) == len(published) == 8
    for number in range(4):
        engine = services[f"engine{number}"]
        assert engine["network_mode"] == f"service:node{number}"
        assert engine["environment"] == {"ENGINE_HOME": f"/data/node{number}"}
        assert services[f"node{number}"]["volumes"] == [f"daemon{number}:/data"]


def test_a_follower_is_configured() -> None:
    (document,) = documents("compose-follow.yaml")
    (service,) = document["services"].values()
    assert service["command"] == ["follow"]
    given = variables("daemon") | service["environment"]
    assert given["TRIO_STREAM_NODE"].startswith("${NODE:?")
    given["TRIO_STREAM_NODE"] = "https://rpc.example.com"
    config = load_follow({}, given, file=None).config
    assert (str(config.home), str(config.api)) == ("/data", "0.0.0.0:9984")
    assert (config.node, str(config.keep)) == (("https://rpc.example.com",), "90d")


@pytest.mark.parametrize(
    ("name", "service"),
    [("compose.yaml", "daemon"), ("compose-follow.yaml", "follower")],
)
def test_the_health_check_runs(name: str, service: str) -> None:
    (document,) = documents(name)
    _, program, option, text = document["services"][service]["healthcheck"]["test"]
    assert (program, option) == ("python", "-c")
    assert READY in text
    ran = subprocess.run(
        [sys.executable, "-c", changed(text, {":9984": ":1"})], capture_output=True
    )
    assert ran.returncode == 1 and b"refused" in ran.stderr


@pytest.mark.engine
@pytest.mark.slow
async def test_the_engine_of_an_image_serves_the_daemon_of_the_other(
    tmp_path: Path,
) -> None:
    """The very script of the image, and the very variables of the other; only ports differ."""
    compiling.build([build.ENGINES[build.DEFAULT]])
    binary = build.ENGINES[build.DEFAULT].binary
    abci, rpc, p2p = free_ports(3)
    given = {
        name: value
        for name, value in variables("daemon").items()
        if name.startswith("TRIO_STREAM_")
    }
    given["TRIO_STREAM_HOME"] = str(tmp_path / "data" / "daemon")
    settings = Settings(
        tmp_path / "data" / "daemon",
        abci=f"tcp://127.0.0.1:{abci}",
        node=f"http://127.0.0.1:{rpc}",
        environment=given,
    )
    command = ["sh", str(FOLDER / "engine.sh")]
    arguments = [
        *("--proxy_app", settings.abci),
        *("--rpc.laddr", f"tcp://127.0.0.1:{rpc}"),
        *("--p2p.laddr", f"tcp://127.0.0.1:{p2p}"),
    ]
    with trio.fail_after(DEADLINE):
        async with run_daemon(settings) as daemon, child.open_nursery() as nursery:
            for _ in range(2):  # the second time, its home is there
                process = await child.start(
                    nursery,
                    "engine",
                    [*command, *arguments],
                    log=tmp_path / "engine.log",
                    grace=5,
                    environment={
                        **os.environ,
                        "PATH": f"{binary.parent}:{os.environ['PATH']}",
                        "ENGINE_HOME": str(tmp_path / "data" / "engine"),
                    },
                )
                engine = RunningEngine(process, Rpc(rpc))
                await engine.ready()
                document = create(ALICE, metadata={"at": trio.current_time()})
                answer = await daemon.post(encode(document), "commit")
                assert answer.status == 202, answer.body
                height = await engine.rpc.height()
                assert height < 6, "it makes no empty blocks"
                await engine.stop()


@pytest.mark.engine
@pytest.mark.slow
def test_the_genesis_of_four_names_their_services(tmp_path: Path) -> None:
    compiling.build([build.ENGINES[build.DEFAULT]])
    (document,) = documents("compose-four.yaml")
    shell, option, text = document["services"]["genesis"]["entrypoint"]
    binary = build.ENGINES[build.DEFAULT].binary
    path = f"{binary.parent}:{os.environ['PATH']}"
    for _ in range(2):  # the second time, all is there
        subprocess.run(
            [shell, option, changed(text, {"/data": str(tmp_path)})],
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
        )
    for number in range(4):
        home = tmp_path / f"node{number}" / "config"
        written = (home / "config.toml").read_text()
        (peers,) = re.findall(r'^persistent_peers = "(.*)"$', written, re.M)
        hosts = [each.partition("@")[2] for each in peers.split(",")]
        assert hosts == [f"node{n}:26656" for n in range(4)]
        assert all(host.partition(":")[0] in document["services"] for host in hosts)
        genesis = json.loads((home / "genesis.json").read_text())
        assert len(genesis["validators"]) == 4


def pod() -> Any:
    _, stateful = documents("kubernetes.yaml")
    return stateful["spec"]["template"]["spec"]


@pytest.mark.skipif(
    VALIDATE is None,
    reason="there is no kubernetes-validate here; it is looked for in $KUBERNETES_VALIDATE and on"
    " the path",
)
def test_the_manifests_follow_the_schema_of_kubernetes() -> None:
    ran = subprocess.run(
        [str(VALIDATE), "--strict", str(FOLDER / "kubernetes.yaml")],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_probes_ask_what_is_there() -> None:
    daemon, _ = pod()["containers"]
    ports = {each["name"]: each["containerPort"] for each in daemon["ports"]}
    assert ports == {"http": 9984, "stream": 9985}
    for name, path in (
        ("startupProbe", LIVE),
        ("livenessProbe", LIVE),
        ("readinessProbe", READY),
    ):
        assert daemon[name]["httpGet"] == {"path": path, "port": "http"}
    # The log's disk may take 5 s to answer.
    assert daemon["readinessProbe"]["timeoutSeconds"] > 5
    assert pod()["terminationGracePeriodSeconds"] > Config().shutdown_total


def test_both_containers_run_as_the_images_do() -> None:
    user = {int(re.findall(r"--uid (\d+)", recipe("Dockerfile"))[n]) for n in (0, 1)}
    assert user == {pod()["securityContext"]["runAsUser"]}
    daemon, engine = pod()["containers"]
    homes = {each["name"]: each["value"] for each in daemon["env"] + engine["env"]}
    assert homes == {
        "TRIO_STREAM_HOME": "/data/daemon",
        "ENGINE_HOME": "/data/engine",
    }
    for container in (daemon, engine):
        mounted = {each["mountPath"] for each in container["volumeMounts"]}
        assert mounted == {"/data", "/tmp"}


def test_variables_of_the_service_do_not_stop_a_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What Kubernetes sets for the Service of the manifest, where links are not turned off."""
    service, _ = documents("kubernetes.yaml")
    name = service["metadata"]["name"].upper().replace("-", "_")
    host = "10.96.12.34"
    ports = service["spec"]["ports"]
    first = ports[0]["port"]
    injected = {
        f"{name}_SERVICE_HOST": host,
        f"{name}_SERVICE_PORT": str(first),
        f"{name}_PORT": f"tcp://{host}:{first}",
    }
    for port in ports:
        number = port["port"]
        injected |= {
            f"{name}_SERVICE_PORT_{port['name'].upper()}": str(number),
            f"{name}_PORT_{number}_TCP": f"tcp://{host}:{number}",
            f"{name}_PORT_{number}_TCP_PROTO": "tcp",
            f"{name}_PORT_{number}_TCP_PORT": str(number),
            f"{name}_PORT_{number}_TCP_ADDR": host,
        }
    assert len(injected) == 13
    with caplog.at_level(logging.WARNING):
        assert load({}, injected, file=None) == Config()
    assert "variables that Kubernetes sets for a" in caplog.text
