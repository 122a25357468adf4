"""Elections and votes: the very documents that an independent maker makes, and valid ones."""

from __future__ import annotations

import pytest

from scripts.signing import create, encode
from tests import voting
from tests.ledger.chains import ALICE, new_engine
from tests.voting import GENESIS, KEYS, NEWCOMER, POWER, SET, key_of
from trio_stream.transactions.making import (
    NotAVoter,
    Signer,
    migration_election,
    validator_election,
    vote,
)

SIGNERS = [Signer(bytes(key.secret)) for key in KEYS]


def opened(power: int = 5, seed: str = "a") -> dict[str, object]:
    return validator_election(
        SIGNERS[0],
        SET,
        key=key_of(NEWCOMER),
        power=power,
        node_id="ab" * 20,
        seed=seed,
    )


def test_elections_are_those_of_an_independent_maker() -> None:
    assert opened() == voting.election(power=5)
    assert migration_election(SIGNERS[0], SET, seed="a") == voting.migration()


def test_votes_are_those_of_an_independent_maker() -> None:
    election = opened()
    for signer, key in zip(SIGNERS, KEYS, strict=True):
        assert vote(signer, election) == voting.vote(election, key)


def test_they_are_accepted_and_decide() -> None:
    engine = new_engine()
    engine.init_chain(validators=GENESIS)
    election = opened()
    codes, _ = engine.block(encode(election), encode(opened(seed="b")))
    assert codes == [0, 0]
    codes, _ = engine.block(*(encode(vote(each, election)) for each in SIGNERS[:3]))
    assert codes == [0, 0, 0]
    assert [each.key for each in engine.updates] == [key_of(NEWCOMER)]


def test_whoever_got_tokens_twice_votes_with_all_of_them() -> None:
    tokens = [*((key, POWER) for key in KEYS), (KEYS[0], POWER)]
    election = voting.election(power=5, recipients=tokens)
    engine = new_engine()
    engine.init_chain(validators=GENESIS)
    cast = vote(SIGNERS[0], election)
    assert [output["amount"] for output in cast["outputs"]] == [str(2 * POWER)]
    for document in (election, cast):
        codes, _ = engine.block(encode(document))
        assert codes == [0]


def test_whoever_got_no_tokens_cannot_vote() -> None:
    with pytest.raises(NotAVoter):
        vote(Signer(bytes(ALICE.secret)), opened())
    with pytest.raises(NotAVoter):
        vote(SIGNERS[0], create(ALICE))


def test_a_signer_has_the_key_in_both_forms() -> None:
    assert SIGNERS[0].key == key_of(KEYS[0])
    assert SIGNERS[0].public == KEYS[0].public
