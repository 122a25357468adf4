"""`make devnet`: four nodes of one chain, compared live; and the program that is hard on them."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.devnet.isolation import is_permitted
from scripts.engines import build, home, network
from scripts.engines.build import Release
from scripts.engines.home import BadHome, ValidatorHome

ENGINES = [build.DEFAULT]

PATIENCE = 300.0

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def homes(folder: Path, count: int) -> list[ValidatorHome]:
    ports = home.free_ports(2 * count)
    return [
        ValidatorHome(
            folder / f"home{n}", "tcp://127.0.0.1:1", ports.pop(), ports.pop()
        )
        for n in range(count)
    ]


async def test_validators_of_one_chain_share_a_genesis_and_know_each_other(
    engine: Release, tmp_path: Path
) -> None:
    validators = homes(tmp_path, 3)
    addresses = [f"127.0.0.1:{each.p2p_port}" for each in validators]
    for _ in range(2):  # the second time, everything is there
        await network.prepare(engine.binary, validators, addresses)
        texts = {
            (each.home / "config" / "genesis.json").read_text() for each in validators
        }
        (text,) = texts
        keys = {each["pub_key"]["value"] for each in json.loads(text)["validators"]}
        assert len(keys) == 3
    for place, validator in enumerate(validators):
        text = (validator.home / "config" / "config.toml").read_text()
        (peers,) = re.findall(r'^persistent_peers = "(.*)"$', text, re.M)
        others = addresses[:place] + addresses[place + 1 :]
        assert [each.partition("@")[2] for each in peers.split(",")] == others
        assert network.node_id(validator) not in peers


async def test_homes_of_different_chains_are_not_joined(
    engine: Release, tmp_path: Path
) -> None:
    validators = homes(tmp_path, 3)
    await network.prepare(engine.binary, validators[:2], ["a:1", "b:2"])
    with pytest.raises(BadHome, match="not those of one chain of 3 validators"):
        await network.prepare(engine.binary, validators, ["a:1", "b:2", "c:3"])


async def devnet(
    nursery: trio.Nursery, engine: Release, folder: Path, *arguments: str
) -> tuple[child.Child, list[str]]:
    lines: list[str] = []
    command = [sys.executable, "-m", "scripts.devnet", "--engine", str(engine.binary)]
    process = await child.start(
        nursery,
        "devnet",
        [*command, "--home", str(folder / "net"), "--pause", "0.1", *arguments],
        log=folder / "devnet.out",
        grace=60,
        environment=child.environment({}),
        on_line=lines.append,
    )
    return process, lines


async def test_four_streams_are_the_same_and_go_on_after_a_restart(
    engine: Release, tmp_path: Path
) -> None:
    for count in (5, 20):
        async with child.open_nursery() as nursery:
            process, lines = await devnet(
                nursery, engine, tmp_path, "--count", str(count)
            )
            with trio.fail_after(PATIENCE):
                assert await process.wait() == 0, process.last_words(50)
        (agreed,) = re.findall(r"devnet: (\d+) events were the same", lines[-1])
        assert int(agreed) >= count
    said = "\n".join(lines)
    for number in range(1, 5):
        assert f"node {number}: daemon exited with status 0" in said


async def test_ctrl_c_stops_all_nodes_in_good_order(
    engine: Release, tmp_path: Path
) -> None:
    async with child.open_nursery() as nursery:
        process, lines = await devnet(nursery, engine, tmp_path)

        async def up() -> bool | None:
            await trio.lowlevel.checkpoint()
            return sum("daemon listens" in line for line in lines) == 4 or None

        with trio.fail_after(PATIENCE):
            await child.poll(up, seconds=PATIENCE, what="four daemons")
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0, process.last_words(50)
    assert "all nodes have stopped" in lines[-1]
    assert sum("daemon exited with status 0" in line for line in lines) == 4


@pytest.mark.parametrize("namespaces", [True, False])
async def test_streams_stay_identical_whatever_happens_to_nodes(
    engine: Release, tmp_path: Path, namespaces: bool
) -> None:
    """Nodes are killed, stopped, frozen and cut off; subscribers move with their positions."""
    if namespaces and not is_permitted():
        pytest.skip("network namespaces are not permitted here")
    arguments = ["--seconds", "60" if namespaces else "30", "--seed", "7", "--verbose"]
    if not namespaces:
        arguments.append("--no-namespaces")
    async with child.open_nursery() as nursery:
        chaos = await child.start(
            nursery,
            "chaos",
            [
                *(sys.executable, "-m", "scripts.devnet.chaos"),
                *("--engine", str(engine.binary), *arguments),
            ],
            log=tmp_path / "chaos.out",
            environment=child.environment({"TMPDIR": str(tmp_path)}),
        )
        with trio.fail_after(840):
            assert await chaos.wait() == 0, chaos.last_words(100)
    said = chaos.last_words(1)
    assert "four identical logs" in said
    assert "none was lost, none repeated, none out of order" in said
    # Which incidents there are in the time depends on the machine.
    assert namespaces or "cut off" not in said
    (told,) = tmp_path.iterdir()
    place = "in namespaces" if namespaces else "without namespaces"
    assert f"seed 7, {place}" in told.read_text()
