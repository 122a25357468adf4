"""An operator changes the validators of a real chain with `trio-stream election` alone."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from scripts import child
from scripts.engines import build
from tests.engines.site import PATIENCE, Site
from tests.voting import NEWCOMER, key_of

ENGINES = ["tendermint-0.31.12", build.DEFAULT]

pytestmark = [pytest.mark.engine, pytest.mark.slow]

CANDIDATE = base64.b64encode(key_of(NEWCOMER)).decode()
NODE_ID = "fb7140f03a4ffad899fabbbf655b97e0321add66"
TOKEN = "k4Yy0uA3YhAfkNqPzvDLhXNnH3uZ1mC6oyA5GHM1r9Y"
# A command starts Python and waits for a block; it never takes this long unless it hangs.
DEADLINE = 4 * PATIENCE
SUCCESS = r"\[SUCCESS\] Submitted proposal with id: ([0-9a-f]{64})\n"


@dataclass
class Operator:
    """Types commands in a shell beside the node."""

    site: Site
    flags: Sequence[str]

    @property
    def key(self) -> Path:
        return self.site.validator.home / "config" / "priv_validator_key.json"

    async def types(self, *words: str) -> tuple[int, str, str]:
        """Status, output and errors of `trio-stream election` with these words."""
        command = [sys.executable, "-m", "trio_stream", "election", *words]
        with trio.fail_after(DEADLINE):
            done = await trio.run_process(
                [*command, *self.flags],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=child.ROOT,
            )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def proposes(self, power: str) -> tuple[int, str, str]:
        new = ("new", "upsert-validator", CANDIDATE, power, NODE_ID)
        return await self.types(*new, "--private-key", str(self.key))

    async def approves(self, election_id: str) -> tuple[int, str, str]:
        key = ("--private-key", str(self.key))
        return await self.types("approve", election_id, *key)

    async def sees(self, election_id: str) -> tuple[int, str, str]:
        return await self.types("show", election_id)


def about(votes: int, status: str) -> tuple[int, str, str]:
    """What `show` says of the election for the newcomer, among one validator with ten."""
    text = f"public_key={CANDIDATE}\npower=3\nnode_id={NODE_ID}\n"
    return 0, f"{text}votes={votes}\nneeded=7\nstatus={status}\n", ""


def failed(why: str) -> tuple[int, str, str]:
    return 1, "", f"trio-stream: {why}\n"


async def votes_in(operator: Operator) -> str:
    """Propose the newcomer, look, approve, look again; the election's id."""
    status, out, err = await operator.proposes("3")
    found = re.fullmatch(SUCCESS, out)
    assert (status, err) == (0, "")
    assert found is not None
    assert await operator.sees(found[1]) == about(0, "ongoing")
    done = (0, "[SUCCESS] Your vote has been submitted\n", "")
    assert await operator.approves(found[1]) == done
    assert await operator.sees(found[1]) == about(10, "concluded")
    return found[1]


async def ends_the_chain(operator: Operator) -> None:
    """The newcomer does not run, and is not needed."""
    key = ("--private-key", str(operator.key))
    status, out, err = await operator.types("new", "migration", *key)
    found = re.fullmatch(SUCCESS, out)
    assert (status, err) == (0, "")
    assert found is not None
    # The block that holds the vote is the last one.
    done = (0, "[SUCCESS] Your vote has been submitted\n", "")
    assert await operator.approves(found[1]) == done
    status, out, err = await operator.sees(found[1])
    assert (status, err) == (0, "")
    assert out.startswith("votes=10\nneeded=9\nstatus=concluded\nchain_id=")
    again = await operator.types("new", "migration", *key)
    assert again[:2] == (1, "")
    assert "see trio-stream help moving" in again[2]


async def test_a_validator_is_voted_in_and_mistakes_are_named(site: Site) -> None:
    operator = Operator(site, ["--api", str(site.settings.api)])
    async with site.daemon() as daemon:
        async with site.engine() as engine:
            opened = await votes_in(operator)
            answer = await daemon.http("GET", "/api/v1/validators")
            shown = {
                each["public_key"]["value"]: each["voting_power"]
                for each in answer.json()
            }
            assert len(shown) == 2
            assert shown[CANDIDATE] == 3
            again = await operator.approves(opened)
            assert again[:2] == (1, "")
            assert f"election {opened} has concluded in block " in again[2]
            assert await operator.proposes("5") == failed(
                "Failed to commit election proposal: Invalid transaction"
                " (InvalidPowerChange): `power` change must be less than 1/3 of total power"
            )
            none = "0" * 64
            missing = failed(f"No election found with election_id {none}")
            assert await operator.sees(none) == missing
            assert await operator.approves(none) == missing
            # The new one alone can't be waited for: it does not run, and has 3 of 13.
            status, out, _ = await operator.proposes("0")
            assert (status, bool(re.fullmatch(SUCCESS, out))) == (0, True)
            await engine.stop()
        away = await operator.proposes("2")
        assert away[:2] == (1, "")
        assert "Failed to commit election proposal: " in away[2]
    status, out, err = await operator.sees(opened)
    assert (status, out) == (1, "")
    api = re.escape(str(site.settings.api))
    assert re.fullmatch(
        rf"trio-stream: the daemon does not answer: {api}: .*refused\n", err
    )


async def test_a_node_that_asks_for_tokens_gets_one(site: Site, tmp_path: Path) -> None:
    token, tokens = tmp_path / "token", tmp_path / "tokens.toml"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    tokens.write_text(
        f'[[token]]\nname = "operator"\ntoken = "{TOKEN}"\nmay = ["read", "post"]\n'
    )
    tokens.chmod(0o600)
    config = tmp_path / "node.toml"
    config.write_text(
        f"tokens = {json.dumps(str(tokens))}\n"
        f"api = {json.dumps(str(site.settings.api))}\n"
    )
    flags = ["--config", str(config)]
    site.settings = replace(site.settings, arguments=flags)
    stranger = Operator(site, flags)
    operator = Operator(site, [*flags, "--token-file", str(token)])
    async with site.daemon(), site.engine():
        needed = "the node refuses: a token is needed (--token-file FILE)"
        assert await stranger.proposes("3") == failed(needed)
        await votes_in(operator)
        await ends_the_chain(operator)
