"""What GET answers about validators and elections."""

from __future__ import annotations

import base64
import json
from typing import Any

import trio

from tests.voting import SET
from trio_stream.http.answers import NOT_FOUND
from trio_stream.http.elections import answer_election, shown_validator
from trio_stream.log.elections import Standing, Successor

ID = "a" * 64
OPENED = Standing("VALIDATOR_ELECTION", 7, 40, 10, None, "ongoing")


class Log:
    """A log that holds one election, or none."""

    def __init__(self, held: Standing | None) -> None:
        self._held = held

    async def election(self, election_id: str) -> Standing | None:
        await trio.lowlevel.checkpoint()
        return self._held if election_id == ID else None


async def asked(held: Standing) -> Any:
    answer = await answer_election(Log(held), ID)
    assert answer.status == 200
    return json.loads(answer.body)


async def test_an_election_says_how_it_stands() -> None:
    assert await asked(OPENED) == {
        "election_id": ID,
        "operation": "VALIDATOR_ELECTION",
        "height": 7,
        "status": "ongoing",
        "votes": 10,
        "needed": 27,
        "tokens": 40,
        "concluded_height": None,
    }


async def test_a_migration_that_concluded_says_what_follows() -> None:
    said = await asked(OPENED._replace(successor=Successor("next", "00ff", SET[:1])))
    assert said["next_chain"] == {
        "chain_id": "next",
        "app_hash": "00ff",
        "validators": [shown_validator(SET[0])],
    }


async def test_what_is_no_election_is_not_found() -> None:
    assert await answer_election(Log(None), ID) is NOT_FOUND


def test_a_validator_is_shown_as_bigchaindb_does() -> None:
    value = base64.b64encode(SET[0].key).decode()
    assert shown_validator(SET[0]) == {
        "public_key": {"type": "ed25519-base64", "value": value},
        "voting_power": 10,
    }
