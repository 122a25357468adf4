"""What votes decide: the reference's rules one by one, and a model of its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from scripts.signing import Document, Key, create, encode, sign, transfer
from tests.ledger.chains import ALICE, BOB, Engine, new_engine
from tests.voting import (
    GENESIS,
    KEYS,
    NEWCOMER,
    SET,
    election,
    key_of,
    migration,
    vote,
)
from trio_stream.abci.messages import ValidatorUpdate
from trio_stream.ledger.elections import Ballots, Outcome, votes_needed
from trio_stream.transactions.elections import Validator, address_of
from trio_stream.transactions.model import parse


def begun(*, whole: bool = False) -> Engine:
    engine = new_engine(whole=whole)
    engine.init_chain(validators=GENESIS)
    return engine


def block(engine: Engine, *documents: Document) -> Sequence[ValidatorUpdate]:
    """A block that accepts these; what it tells the engine."""
    codes, _ = engine.block(*map(encode, documents))
    assert codes == [0] * len(documents)
    return engine.updates


def votes(opened: Document, *voters: Key, **how: Any) -> list[Document]:
    return [vote(opened, each, **how) for each in voters]


def told(key: Key, power: int) -> list[ValidatorUpdate]:
    return [ValidatorUpdate("ed25519", key_of(key), power)]


def newest(engine: Engine) -> tuple[int, Sequence[Validator]]:
    sets = engine.memory.sets
    return max(sets), sets[max(sets)]


@pytest.mark.parametrize("whole", [False, True])
def test_two_thirds_of_the_tokens_decide(whole: bool) -> None:
    engine, opened = begun(whole=whole), election(power=5)
    assert block(engine, opened) == []
    assert block(engine, *votes(opened, *KEYS[:2])) == []
    assert newest(engine) == (1, tuple(SET))
    assert block(engine, *votes(opened, KEYS[2])) == told(NEWCOMER, 5)
    new = Validator("ed25519", key_of(NEWCOMER), 5)
    assert newest(engine) == (4, [*SET, new])
    assert block(engine, *votes(opened, KEYS[3])) == []
    assert engine.memory.elections[opened["id"]].votes == 40


def test_exactly_two_thirds_are_enough() -> None:
    engine = new_engine()
    engine.init_chain(validators=[each._replace(power=1) for each in GENESIS[:3]])
    opened = election(KEYS[0], power=0, recipients=[(key, 1) for key in KEYS[:3]])
    block(engine, opened)
    assert block(engine, vote(opened, KEYS[0])) == []
    assert block(engine, vote(opened, KEYS[1])) == told(KEYS[0], 0)
    assert newest(engine) == (4, [each._replace(power=1) for each in SET[1:3]])


def test_the_votes_that_are_needed_are_the_fewest_that_decide() -> None:
    for tokens, needed in ((1, 1), (2, 2), (3, 2), (4, 3), (30, 20), (40, 27)):
        assert votes_needed(tokens) == needed
    # Beyond the integers that doubles hold exactly.
    assert votes_needed(2**63) == int(2 / 3 * 2**63)


def test_votes_in_the_elections_own_block_count_but_never_decide() -> None:
    engine, opened = begun(), election()
    assert block(engine, opened, *votes(opened, *KEYS[:3])) == []
    assert engine.memory.elections[opened["id"]].votes == 30
    assert block(engine, vote(opened, KEYS[3])) == []
    assert engine.memory.elections[opened["id"]].votes == 40


def test_votes_before_the_bound_in_its_own_block_help_later() -> None:
    engine, opened = begun(), election()
    block(engine, opened, *votes(opened, *KEYS[:2]))
    assert block(engine, vote(opened, KEYS[2])) == told(NEWCOMER, 5)


def test_only_one_change_a_block_and_the_other_never_comes() -> None:
    engine = begun()
    first, second = election(power=5), election(ALICE, power=3, seed="b")
    block(engine, first, second)
    both = [*votes(second, *KEYS[:3]), *votes(first, *KEYS[:3])]
    assert block(engine, *both) == told(ALICE, 3)
    assert block(engine, vote(first, KEYS[3])) == []


def test_a_change_ends_what_was_open_one_block_later() -> None:
    engine = begun()
    opened = [election(power=n, seed=str(n)) for n in (1, 2, 3)]
    moving = migration()
    block(engine, *opened, moving)
    for each in (*opened[1:], moving):
        block(engine, *votes(each, *KEYS[:2]))
    assert block(engine, *votes(opened[0], *KEYS[:3])) == told(NEWCOMER, 1)
    # The next block can still conclude one.
    assert block(engine, vote(opened[1], KEYS[2])) == told(NEWCOMER, 2)
    assert block(engine, vote(opened[2], KEYS[2]), vote(moving, KEYS[2])) == []
    assert not engine.memory.migrated


def test_what_is_opened_after_a_change_is_for_the_new_validators() -> None:
    engine, opened = begun(), election(power=5)
    block(engine, opened)
    block(engine, *votes(opened, *KEYS[:3]))
    everybody = [*((key, 10) for key in KEYS), (NEWCOMER, 5)]
    old, new = election(ALICE, seed="b"), election(ALICE, recipients=everybody)
    codes, _ = engine.block(encode(old), encode(new))
    assert codes == [1, 0]
    # 29 of 45 tokens are too few, 35 are enough.
    assert block(engine, *votes(new, KEYS[0], KEYS[1], NEWCOMER)) == []
    assert block(engine, vote(new, KEYS[2])) == told(ALICE, 5)


def test_a_change_that_became_fatal_since_is_not_made() -> None:
    engine = new_engine()
    engine.init_chain(validators=GENESIS[:2])
    tokens = [(key, 10) for key in KEYS[:2]]
    first = election(KEYS[0], power=0, recipients=tokens)
    last = election(KEYS[1], power=0, recipients=tokens)
    again = election(KEYS[0], power=0, recipients=tokens, seed="b")
    block(engine, first, last, again)
    assert block(engine, *votes(first, *KEYS[:2])) == told(KEYS[0], 0)
    # The engine has one validator left, and no such one to remove.
    rest = [*votes(last, *KEYS[:2]), *votes(again, *KEYS[:2])]
    assert block(engine, *rest) == []
    assert newest(engine) == (3, SET[1:2])


@pytest.mark.parametrize(
    "change",
    [
        {"power": 0},
        {"power": -1},
        {"power": 5.0},
        {"encoding": "ed25519-base64"},
        {"encoding": "ed25519-base32"},
    ],
)
def test_a_change_that_was_always_fatal_is_not_made(change: dict[str, Any]) -> None:
    engine, opened = begun(), election(**change)
    block(engine, opened)
    assert block(engine, *votes(opened, *KEYS[:2])) == []
    assert block(engine, vote(opened, KEYS[2])) == []
    tally = engine.memory.blocks[-1].tallies[-1]
    assert (tally.votes, tally.concluded) == (30, False)
    assert newest(engine) == (1, tuple(SET))
    # It neither comes about later nor stands in the way of another.
    other = election(power=5, seed="b")
    block(engine, vote(opened, KEYS[3]), other)
    assert block(engine, *votes(other, *KEYS[:3])) == told(NEWCOMER, 5)


def test_a_migration_concludes_once() -> None:
    engine = begun()
    first, second = migration(), migration(seed="b")
    block(engine, first, second)
    both = [*votes(first, *KEYS[:3]), *votes(second, *KEYS[:2])]
    assert block(engine, *both) == []
    assert engine.memory.migrated
    # As in the reference, though no block follows here.
    counted = Ballots()
    counted.add(parse(encode(vote(second, KEYS[2]))))
    outcome = counted.count(4, engine.memory)
    assert [each.concluded for each in outcome.tallies] == [False]


def test_two_migrations_in_one_block() -> None:
    engine = begun()
    first, second = migration(), migration(seed="b")
    block(engine, first, second)
    block(engine, *votes(second, *KEYS[:3]), *votes(first, *KEYS[:3]))
    tallies = engine.memory.blocks[-1].tallies
    assert [(each.election_id, each.concluded) for each in tallies] == [
        (second["id"], True),
        (first["id"], False),
    ]


@pytest.mark.parametrize("migration_first", [False, True])
def test_the_engine_is_told_only_what_was_decided_last(migration_first: bool) -> None:
    engine, opened, moving = begun(), election(power=5), migration()
    block(engine, opened, moving)
    change, move = votes(opened, *KEYS[:3]), votes(moving, *KEYS[:3])
    order = [*move, *change] if migration_first else [*change, *move]
    updates = block(engine, *order)
    assert updates == (told(NEWCOMER, 5) if migration_first else [])
    assert len(newest(engine)[1]) == 5
    assert engine.memory.migrated


def test_one_validator_alone_may_vote_again_and_again() -> None:
    engine, opened = begun(), election(power=5)
    block(engine, opened)
    first = vote(opened, KEYS[0], keeps=True)
    second = vote(opened, KEYS[0], spent=first, keeps=True)
    third = vote(opened, KEYS[0], spent=second)
    assert block(engine, first, second) == []
    assert block(engine, third) == told(NEWCOMER, 5)


def test_tokens_can_be_passed_on_and_parted_and_need_not_go_to_the_election() -> None:
    engine, opened = begun(), election(power=5)
    block(engine, opened)
    delegated = transfer(
        {**opened, "operation": "CREATE"}, KEYS[0], recipients=[(ALICE, 10)]
    )
    address = address_of(opened["id"])
    parted = vote(opened, ALICE, spent=delegated, recipients=[(address, 6), (ALICE, 4)])
    elsewhere = vote(opened, KEYS[1], recipients=[(BOB, 10)])
    assert block(engine, delegated, parted, elsewhere) == []
    assert engine.memory.elections[opened["id"]].votes == 6
    assert block(engine, *votes(opened, *KEYS[2:])) == []
    assert engine.memory.elections[opened["id"]].votes == 26


@pytest.mark.parametrize("keys", [None, [], "twice", "with another"])
def test_only_an_output_for_the_address_alone_counts(keys: Any) -> None:
    engine, opened = begun(), election()
    block(engine, opened)
    address = address_of(opened["id"])
    document = vote(opened, KEYS[0])
    listed = {"twice": [address] * 2, "with another": [address, ALICE.public]}
    document["outputs"][0]["public_keys"] = (
        listed[keys] if isinstance(keys, str) else keys
    )
    block(engine, sign(document, KEYS[0]))
    assert engine.memory.elections[opened["id"]].votes == 0


def test_a_transfer_to_the_address_is_no_vote() -> None:
    engine, opened = begun(), election()
    block(engine, opened)
    sent = transfer(
        {**opened, "operation": "CREATE"},
        KEYS[0],
        recipients=[(address_of(opened["id"]), 10)],
    )
    block(engine, sent)
    assert engine.memory.elections[opened["id"]].votes == 0


def test_a_vote_on_anything_else_decides_nothing() -> None:
    engine, asset = begun(), create(ALICE)
    block(engine, asset)
    assert block(engine, vote(asset, ALICE)) == []
    other = create(BOB)
    assert block(engine, other, vote(other, BOB)) == []
    assert not engine.memory.blocks[-1].tallies


def test_a_refused_vote_does_not_count() -> None:
    engine, opened = begun(), election()
    block(engine, opened)
    codes, _ = engine.block(encode(vote(opened, KEYS[0], signer=ALICE)))
    assert codes == [1]
    assert engine.memory.elections[opened["id"]].votes == 0


def test_extra_tokens_count_in_the_total() -> None:
    engine = begun()
    opened = election(recipients=[(KEYS[0], 20), *((key, 10) for key in KEYS)])
    block(engine, opened)
    # 30 of 60.
    others = [vote(opened, key) for key in KEYS[1:]]
    assert block(engine, *others) == []
    assert engine.memory.elections[opened["id"]].tokens == 60
    address = address_of(opened["id"])
    assert block(engine, vote(opened, KEYS[0], recipients=[(address, 20)])) == told(
        NEWCOMER, 5
    )


def test_without_votes_nothing_is_asked() -> None:
    ballots = Ballots()
    ballots.add(parse(encode(election())))
    assert ballots.count(5, None) == Outcome()  # type: ignore[arg-type]  # not used
