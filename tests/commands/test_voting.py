"""Elections by way of a node: what is asked of it, and what is made of its answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests import voting as made
from tests.commands.answering import answering
from tests.voting import KEYS, SET, key_of
from trio_stream.commands import voting
from trio_stream.commands.node_api import NodeApi, NodeSilent
from trio_stream.commands.voting import VotingError
from trio_stream.config import load
from trio_stream.http import answers, submit
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.elections import shown_validator
from trio_stream.transactions.making import Signer

SIGNER, STRANGER = (Signer(bytes(key.secret)) for key in (KEYS[0], made.NEWCOMER))
ELECTION = made.election(power=5)
ID = ELECTION["id"]
STANDING: dict[str, Any] = {
    "status": "ongoing",
    "votes": 10,
    "needed": 27,
    "concluded_height": None,
}
VALIDATORS = [shown_validator(each) for each in SET]
POST = "/api/v1/transactions?mode=commit"

Answers = Mapping[str, tuple[int, object]]


@contextmanager
def node(others: Answers) -> Iterator[NodeApi]:
    """A node that has four validators and one election, and takes what is posted, but for these."""
    told: Answers = {
        "/api/v1/validators": (200, VALIDATORS),
        f"/api/v1/elections/{ID}": (200, STANDING),
        f"/api/v1/transactions/{ID}": (200, ELECTION),
        POST: (202, {}),
        **others,
    }
    texts = {
        path: (status, json.dumps(said).encode())
        for path, (status, said) in told.items()
    }
    with answering(b"null", texts) as api:
        yield NodeApi(load({"api": api}, {}, file=None))


propose = partial(
    voting.open_validator_election, key=key_of(made.NEWCOMER), power=5, node_id="n"
)
Act = Callable[[NodeApi, Signer], object]


def approve(node: NodeApi, signer: Signer) -> None:
    voting.approve(node, signer, ID)


def show(node: NodeApi, _: Signer) -> list[tuple[str, str]]:
    return [*voting.describe(node, ID)]


ACTS: list[Act] = [propose, voting.open_migration_election, approve, show]


def failure(act: Act, others: Answers, signer: Signer = SIGNER) -> str:
    with node(others) as api, pytest.raises(VotingError) as caught:
        act(api, signer)
    return str(caught.value)


def test_two_proposals_are_two_elections() -> None:
    with node({}) as api:
        ids = [propose(api, SIGNER), propose(api, SIGNER)]
        ids += [voting.open_migration_election(api, SIGNER) for _ in "12"]
        approve(api, SIGNER)
    assert len(set(ids)) == 4


def test_an_election_is_described() -> None:
    with node({}) as api:
        said = show(api, SIGNER)
    assert said == [
        ("public_key", base64.b64encode(key_of(made.NEWCOMER)).decode()),
        ("power", "5"),
        ("node_id", "ab" * 20),
        ("votes", "10"),
        ("needed", "27"),
        ("status", "ongoing"),
    ]


def test_what_a_stranger_wrote_does_not_reach_the_terminal_as_it_is() -> None:
    data = {**ELECTION["asset"]["data"], "node_id": "\x1b[2J"}
    document = {**ELECTION, "asset": {"data": data}}
    with node({f"/api/v1/transactions/{ID}": (200, document)}) as api:
        assert dict(show(api, SIGNER))["node_id"] == '"\\u001b[2J"'


@pytest.mark.parametrize("data", [None, {}, {"seed": "a"}])
def test_a_migration_names_the_chain_that_follows(data: object) -> None:
    following = {"chain_id": "a", "app_hash": "00", "validators": VALIDATORS[:1]}
    standing = {**STANDING, "status": "concluded", "next_chain": following}
    document = {**made.migration(), "asset": {"data": data}}
    others: Answers = {
        f"/api/v1/elections/{ID}": (200, standing),
        f"/api/v1/transactions/{ID}": (200, document),
    }
    with node(others) as api:
        said = show(api, SIGNER)
    validators = dict(said).pop("validators")
    assert said[:5] == [
        ("votes", "10"),
        ("needed", "27"),
        ("status", "concluded"),
        ("chain_id", "a"),
        ("app_hash", "00"),
    ]
    value = base64.b64encode(SET[0].key).decode()
    pub_key = {"type": "tendermint/PubKeyEd25519", "value": value}
    assert json.loads(validators) == [{"pub_key": pub_key, "power": 10}]


@pytest.mark.parametrize("act", ACTS[:2])
def test_whoever_is_no_validator_can_open_nothing(act: Act) -> None:
    said = failure(act, {}, STRANGER)
    assert said.startswith("Public key is not a part of the validator set: ")
    assert base64.b64encode(STRANGER.key).decode() in said


def test_whoever_was_no_validator_cannot_vote() -> None:
    assert failure(approve, {}, STRANGER) == (
        "The key you provided does not match any of the eligible voters in this election."
    )


def test_a_chain_that_has_not_begun_has_no_elections() -> None:
    said = failure(propose, {"/api/v1/validators": (200, [])})
    assert said == "the node has no validators yet: its chain has not begun"


def test_validators_with_other_keys_cannot_vote() -> None:
    other = {"public_key": {"type": "secp256k1-base64", "value": "AA=="}}
    found = [*VALIDATORS, {**other, "voting_power": 1}]
    said = failure(propose, {"/api/v1/validators": (200, found)})
    assert said == "elections need validators that all have keys of Ed25519"


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        ({"status": "concluded", "concluded_height": 7}, "has concluded in block 7"),
        ({"status": "inconclusive"}, "another chain has gone on: open a new one"),
        ({"votes": 27}, "complete in a block that could not decide it"),
    ],
)
def test_a_vote_that_could_change_nothing_is_not_sent(
    standing: dict[str, object], why: str
) -> None:
    stands = {f"/api/v1/elections/{ID}": (200, STANDING | standing), POST: (500, {})}
    said = failure(approve, stands)
    assert said.startswith(f"election {ID} ")
    assert why in said


@pytest.mark.parametrize(
    "refused",
    [
        "Invalid transaction (DuplicateTransaction): a",
        "Invalid transaction (DoubleSpend): a",
        "Internal error - Tx already exists in cache",
    ],
)
def test_whoever_votes_twice_is_told(refused: str) -> None:
    said = failure(approve, {POST: (400, {"message": refused})})
    assert said == f"this key has voted already: {refused}"


LATER = f" (it may be committed all the same: trio-stream election show {ID})"


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (answers.error(400, "why"), ""),
        (submit.INVALID, ""),
        (submit.TOO_MANY, ""),
        (submit.TIMED_OUT, LATER),
        (submit.STOPPED, LATER),
        (answers.FAILED, LATER),
    ],
)
def test_the_node_s_refusal_is_passed_on(answer: HttpAnswer, more: str) -> None:
    said = json.loads(answer.body)
    refuses = {POST: (answer.status, said)}
    why = said["message"]
    assert failure(approve, refuses) == f"Failed to commit vote: {why}{more}"
    failed = failure(propose, refuses)
    assert failed.startswith(f"Failed to commit election proposal: {why}")
    assert ("election show" in failed) is bool(more)


@pytest.mark.parametrize("act", ACTS)
def test_a_node_that_refuses_to_say_anything_is_quoted(act: Act) -> None:
    no = (403, {"message": "may not"})
    refuses = {path: no for path in ("/api/v1/validators", f"/api/v1/elections/{ID}")}
    assert failure(act, refuses) == "the node refuses: may not"


@pytest.mark.parametrize(
    "name", ["0" * 64, "0" * 63, "../validators", "", "é", "\udcff"]
)
def test_an_election_that_is_not_there_is_named(name: str) -> None:
    shown = name if name.isprintable() else '"\\udcff"'

    class Nothing(NodeApi):
        def get(self, target: str) -> tuple[int, Any]:
            assert target == f"/api/v1/elections/{'0' * 64}"
            return 404, {}

    nothing = Nothing(load({"api": "localhost:1"}, {}, file=None))
    with pytest.raises(VotingError) as caught:
        list(voting.describe(nothing, name))
    assert str(caught.value) == f"No election found with election_id {shown}"


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("said", [None, 7, {"a": 1}, [{"public_key": {}}]])
def test_what_is_no_node_is_named(act: Act, said: object) -> None:
    paths = (
        "/api/v1/validators",
        f"/api/v1/elections/{ID}",
        f"/api/v1/transactions/{ID}",
    )
    with node({path: (200, said) for path in paths}) as api:
        with pytest.raises(NodeSilent, match="is not a node's HTTP server"):
            act(api, SIGNER)


def test_whoever_interrupts_it_learns_how_to_find_the_election() -> None:
    class Interrupted(NodeApi):
        def commit(self, document: object) -> tuple[int, Any]:
            raise KeyboardInterrupt

    with node({}) as api:
        waiting = Interrupted(api.config)
        for act in (propose, approve):
            with pytest.raises(
                VotingError, match="^interrupted .it may .* show [0-9a-f]{64}.$"
            ):
                act(waiting, SIGNER)


def test_an_answer_that_does_not_come_leaves_a_doubt() -> None:
    class Silent(NodeApi):
        def commit(self, document: object) -> tuple[int, Any]:
            raise NodeSilent("timed out")

    with node({}) as api:
        silent = Silent(api.config)
        with pytest.raises(NodeSilent, match="^timed out .it may be committed"):
            voting.approve(silent, SIGNER, ID)
