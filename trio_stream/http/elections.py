"""What GET answers about validators and the elections that change them.

The elections are not BigchainDB's API: its command line reads them from its database.
"""

from __future__ import annotations

import base64
from typing import Protocol

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.ledger.elections import votes_needed
from trio_stream.log.elections import Standing
from trio_stream.transactions.elections import Validator


class Voting(Protocol):
    """What is asked of the log."""

    async def election(self, election_id: str) -> Standing | None: ...


async def answer_election(reader: Voting, election_id: str) -> HttpAnswer:
    """How the election with this id stands."""
    found = await reader.election(election_id)
    if found is None:
        return answers.NOT_FOUND
    shown: dict[str, object] = {
        "election_id": election_id,
        "operation": found.operation,
        "height": found.height,
        "status": found.status,
        "votes": found.votes,
        "needed": votes_needed(found.tokens),
        "tokens": found.tokens,
        "concluded_height": found.concluded_height,
    }
    if found.successor is not None:
        chain_id, app_hash, validators = found.successor
        shown["next_chain"] = {
            "chain_id": chain_id,
            "app_hash": app_hash,
            "validators": [shown_validator(each) for each in validators],
        }
    return HttpAnswer(200, answers.spaced(shown))


def shown_validator(validator: Validator) -> dict[str, object]:
    """A validator as BigchainDB shows it."""
    return {
        "public_key": {
            "type": f"{validator.key_type}-base64",
            "value": base64.b64encode(validator.key).decode("ascii"),
        },
        "voting_power": validator.power,
    }
