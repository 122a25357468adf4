"""Elections, by way of a running node: opening one, voting in it, saying how it stands.

The node judges; what is looked at here beforehand is what its answer would not make clear.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from trio_stream.commands.node_api import NodeApi, NodeSilent
from trio_stream.transactions.elections import Validator, change_of
from trio_stream.transactions.ids import ID
from trio_stream.transactions.making import (
    Document,
    NotAVoter,
    Signer,
    migration_election,
    validator_election,
    vote,
)

_NO_VOTER: Final = (
    "The key you provided does not match any of the eligible voters in this election."
)
_SPENT: Final = ("(DuplicateTransaction)", "(DoubleSpend)", "already exists in cache")
_IN_DOUBT: Final = (
    "Timed out waiting for tx",
    "deliverTxSub was cancelled",
    "may have taken the transaction",
    "Internal Server Error",
)
"""What a node says that does not know whether a block will have what was posted."""
_KEY: Final = "ed25519-base64"


class VotingError(Exception):
    """What was asked for is not done; the text says why."""


def open_validator_election(
    node: NodeApi, signer: Signer, *, key: bytes, power: int, node_id: str
) -> str:
    """Propose that this key gets this power; returns the election's id."""
    election = validator_election(
        signer,
        _voters(node, signer),
        key=key,
        power=power,
        node_id=node_id,
        seed=str(uuid4()),
    )
    return _open(node, election)


def open_migration_election(node: NodeApi, signer: Signer) -> str:
    """Propose that the chain ends; returns the election's id."""
    voters = _voters(node, signer)
    return _open(node, migration_election(signer, voters, seed=str(uuid4())))


def approve(node: NodeApi, signer: Signer, election_id: str) -> None:
    """Vote for an election with all tokens that it gave to the signer."""
    standing, document = _look(node, election_id)
    with _understood(node):
        _refuse_if_decided(standing, election_id)
        cast = vote(signer, document)
    status, said = _commit(node, cast, election_id)
    if status != 202:
        why = node.why(status, said)
        if any(text in why for text in _SPENT):
            raise VotingError(f"this key has voted already: {why}")
        raise VotingError(f"Failed to commit vote: {why}{_doubt(why, election_id)}")


def describe(node: NodeApi, election_id: str) -> Iterator[tuple[str, str]]:
    """What an election is about and how it stands: names, and their values as text."""
    standing, document = _look(node, election_id)
    with _understood(node):
        for name, value in (document["asset"]["data"] or {}).items():
            if name == "public_key":
                value = base64.b64encode(change_of(document).key).decode("ascii")
            if name != "seed":
                yield name, _printable(str(value))
        for name in ("votes", "needed", "status"):
            yield name, str(standing[name])
        if (following := standing.get("next_chain")) is not None:
            yield "chain_id", _printable(following["chain_id"])
            yield "app_hash", str(following["app_hash"])
            members = [_member(each) for each in following["validators"]]
            yield "validators", json.dumps(members, indent=4)


def _voters(node: NodeApi, signer: Signer) -> list[Validator]:
    """The validators, who get the vote tokens; the signer has to be one of them."""
    shown = _get(node, "/api/v1/validators")
    with _understood(node):
        kinds = {each["public_key"]["type"] for each in shown}
        voters = [
            Validator(
                "ed25519",
                base64.b64decode(each["public_key"]["value"]),
                each["voting_power"],
            )
            for each in shown
        ]
    if not voters:
        raise VotingError("the node has no validators yet: its chain has not begun")
    if kinds != {_KEY}:
        raise VotingError("elections need validators that all have keys of Ed25519")
    if signer.key not in [each.key for each in voters]:
        own = base64.b64encode(signer.key).decode("ascii")
        text = "Public key is not a part of the validator set"
        raise VotingError(f"{text}: the private key belongs to {own}")
    return voters


def _open(node: NodeApi, election: Document) -> str:
    election_id: str = election["id"]
    status, said = _commit(node, election, election_id)
    if status != 202:
        why = node.why(status, said)
        doubt = _doubt(why, election_id)
        raise VotingError(f"Failed to commit election proposal: {why}{doubt}")
    return election_id


def _commit(node: NodeApi, document: Document, election_id: str) -> tuple[int, Any]:
    try:
        return node.commit(document)
    except NodeSilent as error:
        raise NodeSilent(f"{error}{_hint(election_id)}") from error
    except KeyboardInterrupt:
        # The block may take long. Without its id, an election could not be found again.
        raise VotingError(f"interrupted{_hint(election_id)}") from None


def _doubt(why: str, election_id: str) -> str:
    """A hint, where the transaction may have arrived all the same."""
    return _hint(election_id) if any(text in why for text in _IN_DOUBT) else ""


def _hint(election_id: str) -> str:
    return (
        f" (it may be committed all the same: trio-stream election show {election_id})"
    )


def _look(node: NodeApi, election_id: str) -> tuple[dict[str, Any], Document]:
    """How an election stands, and its transaction."""
    none = f"No election found with election_id {_printable(election_id)}"
    if not ID.fullmatch(election_id):
        # It might mean something else in an address, such as `../validators`.
        raise VotingError(none)
    standing = _get(node, f"/api/v1/elections/{election_id}", none)
    return standing, _get(node, f"/api/v1/transactions/{election_id}", none)


def _refuse_if_decided(standing: dict[str, Any], election_id: str) -> None:
    match standing["status"]:
        case "concluded":
            height = standing["concluded_height"]
            raise VotingError(f"election {election_id} has concluded in block {height}")
        case "inconclusive":
            raise VotingError(
                f"election {election_id} can't conclude any more, since the validators have"
                " changed, or another chain has gone on: open a new one"
            )
    if standing["votes"] >= standing["needed"]:
        raise VotingError(
            f"election {election_id} can't conclude any more: its votes were complete in a"
            " block that could not decide it. Open a new one"
        )


def _get(node: NodeApi, target: str, not_found: str = "Not found") -> Any:
    status, said = node.get(target)
    if status == 404:
        raise VotingError(not_found)
    if status != 200:
        raise VotingError(f"the node refuses: {node.why(status, said)}")
    return said


@contextmanager
def _understood(node: NodeApi) -> Iterator[None]:
    """What stands below reads answers of a node; any other server's answers are not."""
    try:
        yield
    except NotAVoter:
        raise VotingError(_NO_VOTER) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise node.unlike() from error


def _member(validator: Any) -> dict[str, object]:
    key = {
        "type": "tendermint/PubKeyEd25519",
        "value": validator["public_key"]["value"],
    }
    return {"pub_key": key, "power": validator["voting_power"]}


def _printable(text: str) -> str:
    """A stranger wrote it: it may hold control sequences of terminals."""
    return text if text.isprintable() else json.dumps(text)
