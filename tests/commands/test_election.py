"""`trio-stream election`, as an operator types it, and the node that it asks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts.signing import Key
from tests.instant_node import InstantNode, instant_node
from tests.voting import GENESIS, KEYS, NEWCOMER, key_of
from trio_stream.__main__ import main

DEADLINE = 120
NODE_ID = "fb7140f03a4ffad899fabbbf655b97e0321add66"
CANDIDATE = base64.b64encode(key_of(NEWCOMER)).decode()
NONE = "0" * 64

Captured = pytest.CaptureFixture[str]


def key_file(folder: Path, key: Key) -> str:
    """The file that an engine keeps this key in."""
    value = base64.b64encode(bytes(key.secret) + key_of(key)).decode()
    file = folder / f"{key.public}.json"
    file.write_text(json.dumps({"priv_key": {"value": value}}))
    return str(file)


class Operator:
    """Types commands on a machine where a node runs, and every validator's key is."""

    def __init__(self, node: InstantNode, folder: Path, capsys: Captured) -> None:
        self.node = node
        self._api = urlsplit(node.http_url).netloc
        self._folder = folder
        self._capsys = capsys

    async def types(self, *words: str, key: Key | None = None) -> tuple[int, str, str]:
        """Status, output and errors of `trio-stream election` with these words."""
        arguments = ["election", *words, "--api", self._api]
        if key is not None:
            arguments += ["--private-key", key_file(self._folder, key)]
        with trio.fail_after(DEADLINE):
            status = await trio.to_thread.run_sync(main, arguments)
        return status, *self._capsys.readouterr()

    async def opens(self, *words: str) -> str:
        """The id of a new election."""
        status, out, err = await self.types("new", *words, key=KEYS[0])
        found = re.fullmatch(
            r"\[SUCCESS\] Submitted proposal with id: ([0-9a-f]{64})\n", out
        )
        assert (status, err) == (0, "")
        assert found is not None
        return found[1]

    async def approves(self, election_id: str, *keys: Key) -> None:
        for key in keys:
            done = await self.types("approve", election_id, key=key)
            assert done == (0, "[SUCCESS] Your vote has been submitted\n", "")

    async def sees(self, election_id: str) -> str:
        status, out, err = await self.types("show", election_id)
        assert (status, err) == (0, "")
        return out

    async def fails(self, *words: str, key: Key | None = None) -> str:
        """Why; one line."""
        status, out, err = await self.types(*words, key=key)
        assert (status, out) == (1, "")
        assert re.fullmatch(r"trio-stream: [^\n]+\n", err)
        return err.removeprefix("trio-stream: ").rstrip()


@pytest.fixture
async def operator(tmp_path: Path, capsys: Captured) -> AsyncIterator[Operator]:
    async with instant_node(tmp_path / "node", validators=GENESIS) as node:
        yield Operator(node, tmp_path, capsys)


async def test_a_validator_is_voted_in(operator: Operator) -> None:
    opened = await operator.opens("upsert-validator", CANDIDATE, "5", NODE_ID)
    about = f"public_key={CANDIDATE}\npower=5\nnode_id={NODE_ID}\n"
    standing = f"{about}votes=0\nneeded=27\nstatus=ongoing\n"
    assert await operator.sees(opened) == standing
    await operator.approves(opened, *KEYS[:3])
    standing = f"{about}votes=30\nneeded=27\nstatus=concluded\n"
    assert await operator.sees(opened) == standing
    (told,) = operator.node.engine.updates
    assert (told.key, told.power) == (key_of(NEWCOMER), 5)


async def test_a_validator_is_voted_out(operator: Operator) -> None:
    gone = base64.b64encode(key_of(KEYS[3])).decode()
    opened = await operator.opens("upsert-validator", gone, "0", NODE_ID)
    other = await operator.opens("upsert-validator", CANDIDATE, "1", NODE_ID)
    await operator.approves(opened, *KEYS[:3])
    operator.node.block()
    assert (await operator.sees(other)).endswith("\nstatus=inconclusive\n")
    said = await operator.fails("approve", other, key=KEYS[0])
    assert said.endswith("or another chain has gone on: open a new one")


@pytest.mark.parametrize("name", ["migration", "chain-migration"])
async def test_a_chain_is_migrated(operator: Operator, name: str) -> None:
    opened = await operator.opens(name)
    assert await operator.sees(opened) == "votes=0\nneeded=27\nstatus=ongoing\n"
    await operator.approves(opened, *KEYS[:3])
    shown = await operator.sees(opened)
    begin, _, validators = shown.partition("validators=")
    # Blocks: the node's first, the election, three votes.
    app_hash = await operator.node.app_hash(5)
    assert begin == (
        "votes=30\nneeded=27\nstatus=concluded\n"
        f"chain_id=test-chain-migrated-at-height-4\napp_hash={app_hash}\n"
    )
    assert [each["power"] for each in json.loads(validators)] == [10] * 4
    said = await operator.fails("new", name, key=KEYS[0])
    assert "chain 'test-chain' was migrated at height 5" in said
    assert said.endswith("see trio-stream help moving")


async def test_each_mistake_is_one_line_that_names_it(operator: Operator) -> None:
    new = ("new", "upsert-validator", CANDIDATE)
    said = await operator.fails(*new, "14", NODE_ID, key=KEYS[0])
    assert said == (
        "Failed to commit election proposal: Invalid transaction (InvalidPowerChange):"
        " `power` change must be less than 1/3 of total power"
    )
    said = await operator.fails(*new, "0", NODE_ID, key=KEYS[0])
    assert said.endswith("a validator that is not in the set can't be removed")
    said = await operator.fails(*new, "5", NODE_ID, key=NEWCOMER)
    assert said.startswith("Public key is not a part of the validator set: ")
    for words in (("show",), ("approve",)):
        key = KEYS[0] if words == ("approve",) else None
        said = await operator.fails(*words, NONE, key=key)
        assert said == f"No election found with election_id {NONE}"
    opened = await operator.opens("upsert-validator", CANDIDATE, "5", NODE_ID)
    said = await operator.fails("approve", opened, key=NEWCOMER)
    assert said.endswith("any of the eligible voters in this election.")
    await operator.approves(opened, KEYS[0])
    said = await operator.fails("approve", opened, key=KEYS[0])
    assert said.startswith("this key has voted already: ")
    await operator.approves(opened, *KEYS[1:3])
    said = await operator.fails("approve", opened, key=KEYS[3])
    assert said == f"election {opened} has concluded in block 5"


def test_a_node_that_is_away_is_named(tmp_path: Path, capsys: Captured) -> None:
    assert main(["election", "show", NONE, "--api", "127.0.0.1:1"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("trio-stream: the daemon does not answer: 127.0.0.1:1: ")


UPSERT = ["new", "upsert-validator"]
KEY = ["--private-key", "none.json"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "the following arguments are required: ACTION"),
        (["new"], "the following arguments are required: ELECTION"),
        (["new", "migration"], "the following arguments are required: --private-key"),
        ([*UPSERT, "x", "5", "n", *KEY], "PUBLIC_KEY: must be 32 bytes in base64"),
        ([*UPSERT, CANDIDATE, "-1", "n", *KEY], "POWER: must be an integer, 0"),
        ([*UPSERT, CANDIDATE, "1.5", "n", *KEY], "POWER: must be an integer, 0"),
        ([*UPSERT, CANDIDATE, "9" * 20, "n", *KEY], "POWER: must be an integer, 0"),
        ([*UPSERT, CANDIDATE, "1", "\udcff", *KEY], "is no id of a node"),
    ],
)
def test_wrong_arguments_are_named(
    words: list[str], why: str, capsys: Captured
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["election", *words])
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["approve", NONE, *KEY], "private key none.json: No such file or directory"),
        (["show", NONE, "--token-file", "none"], "token file none: No such file"),
        (["show", NONE, "--api", "nowhere"], "api"),
    ],
)
def test_files_and_settings_that_cannot_be_used_are_named(
    words: list[str], why: str, capsys: Captured
) -> None:
    assert main(["election", *words]) == 2
    assert why in capsys.readouterr().err
