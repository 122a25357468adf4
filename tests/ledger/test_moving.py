"""A chain ends with its migration, and another one goes on with its log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.signing import create, encode, transfer
from tests.ledger.chains import (
    ALICE,
    BOB,
    CHAIN_ID,
    Engine,
    MemoryStore,
    digest_of,
    new_engine,
)
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
from trio_stream.abci import messages
from trio_stream.ledger.application import Application
from trio_stream.ledger.block import next_app_hash
from trio_stream.ledger.genesis import START_HASHES
from trio_stream.ledger.moving import Ended
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.elections import Validator

ASSET = create(ALICE)
MOVED = f"{CHAIN_ID}-migrated-at-height-2"
INFO = messages.Info("", "")
OPENED = migration()


@pytest.fixture(params=[False, True], ids=["in steps", "whole"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Of a chain that has ended with block 3."""
    engine = new_engine(whole=request.param)
    engine.init_chain(validators=GENESIS)
    migrate(engine)
    return engine


def migrate(engine: Engine, *last: bytes) -> None:
    """Three blocks; the last one ends the chain."""
    engine.block(encode(ASSET))
    engine.block(encode(OPENED))
    engine.block(*(encode(vote(OPENED, key)) for key in KEYS[:3]), *last)


def state(engine: Engine, **others: Any) -> bytes:
    """The app_state of the chain that goes on with what this engine's application has."""
    tip = engine.memory.tip()
    assert tip is not None
    end = {
        "height": tip.height,
        "app_hash": tip.app_hash,
        "digest": digest_of(tip.height),
        **others,
    }
    return json.dumps({"rules": 1, "continues": end}).encode()


def move(engine: Engine, **others: Any) -> messages.Answer:
    """InitChain of the next chain."""
    given: dict[str, Any] = {
        "chain_id": MOVED,
        "app_state": state(engine),
        "initial_height": engine.application.height + 1,
        "validators": GENESIS,
        **others,
    }
    return engine.init_chain(**given)


def refusal(answer: messages.Answer) -> str:
    assert isinstance(answer, messages.Failure), answer
    assert len(answer.error) < 900
    return answer.error


# The end of a chain


def test_no_block_follows_the_one_in_which_a_migration_concludes(
    engine: Engine,
) -> None:
    for request in (
        messages.BeginBlock(CHAIN_ID, 4, messages.Time(0, 0)),
        messages.FinalizeBlock((), 4, messages.Time(0, 0)),
    ):
        refused = refusal(engine.ask(request))
        assert "block 4: chain 'test-chain' was migrated at height 3" in refused
        assert "trio-stream help moving" in refused
    assert engine.application.height == 3
    assert engine.application.chain_id == CHAIN_ID


def test_a_check_says_that_the_chain_has_ended(engine: Engine) -> None:
    check = messages.CheckTx(encode(create(BOB)))
    answer = engine.ask(check)
    assert isinstance(answer, messages.TxResult)
    assert answer.code == 1
    assert answer.log.startswith("ChainEnded: chain 'test-chain' was migrated at")


def test_info_is_that_of_an_empty_log_since_no_other_gets_init_chain(
    engine: Engine,
) -> None:
    assert engine.ask(INFO) == messages.InfoAnswer("0", 0, b"")


def test_an_engine_of_the_old_chain_is_told_what_happened(engine: Engine) -> None:
    answer = engine.init_chain(validators=GENESIS)
    refused = "InitChain: chain 'test-chain' was migrated at height 3, and no block"
    assert refusal(answer).startswith(refused)


def test_a_chain_that_does_not_name_the_end_is_refused(engine: Engine) -> None:
    answer = engine.init_chain(validators=GENESIS, chain_id="other")
    assert "'other' does not continue it: chain 'test-chain' was" in refusal(answer)


def test_it_is_ended_after_a_restart_too_and_says_so(engine: Engine) -> None:
    said: list[str] = []
    again = Application(engine.store, CandidateCache(0), version="0", warn=said.append)
    assert again.ended == engine.application.ended == Ended(CHAIN_ID, 3, 3)
    assert said == [str(again.ended)]


def test_the_end_is_warned_of_when_it_comes() -> None:
    said: list[str] = []
    store = MemoryStore()
    application = Application(store, CandidateCache(0), version="0", warn=said.append)
    engine = Engine(application, store)
    engine.init_chain(validators=GENESIS)
    migrate(engine)
    assert said == [str(application.ended)]


def test_a_log_that_was_imported_waits_as_well() -> None:
    engine = new_engine()
    engine.block(encode(ASSET))
    engine.memory.imported = True
    again = Engine(
        Application(engine.store, CandidateCache(0), version="0"), engine.store
    )
    assert "the log of chain 'test-chain' was imported up to height 1" in str(
        again.application.ended
    )
    assert again.ask(INFO) == messages.InfoAnswer("0", 0, b"")
    begun = messages.BeginBlock(CHAIN_ID, 2, messages.Time(0, 0))
    assert "was imported" in refusal(again.ask(begun))


@pytest.mark.parametrize(
    ("ended", "name"),
    [
        (Ended("old", 7, 7), "old-migrated-at-height-6"),
        (Ended("old", 9, 7), "old-migrated-at-height-6"),
        (Ended("old-migrated-at-height-6", 20, 20), "old-migrated-at-height-19"),
        (Ended("old", 7, 0), "old-migrated-at-height-7"),
    ],
)
def test_the_next_chain_is_named_as_by_the_reference(ended: Ended, name: str) -> None:
    assert ended.next_chain_id == name


# Another chain goes on


def test_ids_outputs_heights_and_app_hashes_go_on(engine: Engine) -> None:
    before = engine.memory.blocks[-1].app_hash
    assert move(engine) == messages.InitChainAnswer(before.encode())
    spent = transfer(ASSET, ALICE)
    codes, app_hash = engine.block(encode(spent), encode(ASSET), encode(spent))
    assert codes == [0, 1, 1]
    assert app_hash == next_app_hash(before, [spent["id"]])
    assert engine.ask(INFO) == messages.InfoAnswer("0", 4, app_hash.encode())
    assert engine.application.ended is None
    assert engine.application.chain_id == MOVED


def test_the_first_block_may_come_after_a_restart(engine: Engine) -> None:
    move(engine)
    for _ in range(2):
        again = Engine(
            Application(engine.store, CandidateCache(0), version="0"),
            engine.store,
            whole=engine.whole,
        )
        assert again.ask(INFO) == messages.InfoAnswer("0", 0, b"")
        assert isinstance(move(again), messages.InitChainAnswer)
    # It was verified once; the log has not changed since.
    assert engine.memory.digests == [3]
    again.block()
    assert again.application.height == 4


def test_blocks_may_come_without_another_init_chain(engine: Engine) -> None:
    move(engine)
    again = Application(engine.store, CandidateCache(0), version="0")
    begun = messages.BeginBlock(
        MOVED, 4, messages.Time(0, 0), engine.memory.blocks[-1].app_hash.encode()
    )
    assert again.answer(begun, owner=1) == messages.Done()
    wrong = messages.BeginBlock(MOVED, 4, messages.Time(0, 0), b"0" * 64)
    assert "genesis file" in refusal(again.answer(wrong, owner=1))


def test_another_chain_may_take_the_place_of_one_without_a_block(
    engine: Engine,
) -> None:
    move(engine)
    assert isinstance(move(engine, chain_id="better"), messages.InitChainAnswer)
    assert engine.application.chain_id == "better"
    engine.block()
    assert "'better' goes on here, at height 4" in refusal(move(engine))


@pytest.mark.parametrize("name", [CHAIN_ID, ""])
def test_a_name_that_is_not_its_own_is_refused_whatever_was_asked_for_before(
    engine: Engine, name: str
) -> None:
    said = "a chain that continues 'test-chain' needs a name of its own"
    assert said in refusal(move(engine, chain_id=name))
    assert isinstance(move(engine), messages.InitChainAnswer)
    assert said in refusal(move(engine, chain_id=name))
    assert engine.application.chain_id == MOVED
    assert isinstance(move(engine), messages.InitChainAnswer)


def test_a_chain_that_moved_can_move_again(engine: Engine) -> None:
    move(engine)
    engine.block()
    again = migration(seed="again")
    engine.block(encode(again))
    engine.block(*(encode(vote(again, key)) for key in KEYS[:3]))
    assert engine.application.ended == Ended(MOVED, 6, 6)
    assert "own, as" in refusal(move(engine))
    answer = move(engine, chain_id=f"{CHAIN_ID}-migrated-at-height-5")
    assert isinstance(answer, messages.InitChainAnswer)


def test_what_was_open_can_not_conclude_after_the_first_block(engine: Engine) -> None:
    engine = new_engine()
    engine.init_chain(validators=GENESIS)
    late = migration(seed="late")
    engine.block(encode(ASSET), encode(late))
    engine.block(encode(OPENED))
    engine.block(*(encode(vote(OPENED, key)) for key in KEYS[:3]))
    move(engine)
    engine.block()
    engine.block(*(encode(vote(late, key)) for key in KEYS[:3]))
    assert engine.application.ended is None


def test_a_change_of_validators_that_the_engine_was_not_told_of_moves_along() -> None:
    engine, opened = new_engine(), election(power=5)
    engine.init_chain(validators=GENESIS)
    engine.block(encode(opened), encode(OPENED))
    both = [vote(each, key) for each in (opened, OPENED) for key in KEYS[:3]]
    engine.block(*map(encode, both))
    assert engine.updates == []
    assert "other validators" in refusal(move(engine))
    newest = [*GENESIS, messages.ValidatorUpdate("ed25519", key_of(NEWCOMER), 5)]
    assert isinstance(move(engine, validators=newest[::-1]), messages.InitChainAnswer)
    assert engine.memory.validators() == [
        *SET,
        Validator("ed25519", key_of(NEWCOMER), 5),
    ]


def test_a_chain_without_an_app_hash_gets_the_one_of_its_engine() -> None:
    engine = new_engine()
    engine.block()
    engine.memory.imported = True
    application = Application(engine.store, CandidateCache(0), version="0")
    again = Engine(application, engine.store, whole=True)
    answer = move(again, chain_id="b", validators=[])
    assert answer == messages.InitChainAnswer(START_HASHES["sha3"].encode())
    _, app_hash = again.block(encode(ASSET))
    assert app_hash == next_app_hash(START_HASHES["sha3"], [ASSET["id"]])


# What is refused, before anything is stored


def others_validators() -> list[messages.ValidatorUpdate]:
    more = [messages.ValidatorUpdate("ed25519", bytes([n]) * 32, 1) for n in (1, 2, 3)]
    return [*GENESIS[1:], *more]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"chain_id": CHAIN_ID}, [f"name of its own, as '{MOVED}'"]),
        ({"height": 2}, ["ended at height 2", "ends at 3"]),
        ({"height": 9}, ["ended at height 9", "ends at 3"]),
        ({"app_hash": "ab" * 32}, ["app hash abab", "here it is", "genesis prints"]),
        ({"app_hash": ""}, ["app hash empty at height 3"]),
        (
            {"digest": "ab" * 32},
            ["digest abab", digest_of(3), "trio-stream genesis", "import"],
        ),
        (
            {"validators": others_validators()},
            ["0101 (1), ", "1 others more, and without", " (10). trio-stream genesis"],
        ),
        ({"validators": GENESIS[1:]}, [": none more, and without "]),
        ({"validators": [*GENESIS, GENESIS[0]]}, ["same validator twice: ", " (10), "]),
    ],
)
def test_what_does_not_fit_is_refused(
    engine: Engine, given: dict[str, Any], named: list[str]
) -> None:
    names = {"height", "app_hash", "digest"}
    if end := {name: given[name] for name in names & set(given)}:
        height = end.get("height", 3)
        given = {"app_state": state(engine, **end), "initial_height": height + 1}
    refused = refusal(move(engine, **given))
    for text in named:
        assert text in refused
    assert engine.memory.begun is not None
    assert engine.memory.begun.chain_id == CHAIN_ID
    assert engine.application.ended is not None
    engine.next_height = 4
    assert isinstance(move(engine), messages.InitChainAnswer)


def test_an_empty_log_can_not_be_continued() -> None:
    engine, other = new_engine(), new_engine()
    engine.block(encode(ASSET))
    answer = other.init_chain(app_state=state(engine), initial_height=2, chain_id="b")
    assert "this log is empty: import or copy" in refusal(answer)


def test_a_chain_that_goes_on_can_not_be_continued() -> None:
    engine = new_engine()
    engine.block(encode(ASSET))
    answer = move(engine, validators=[])
    assert "'test-chain' goes on here, at height 1" in refusal(answer)


def test_a_daemon_that_stops_gives_the_digest_up(engine: Engine) -> None:
    engine.application.give_up()
    assert refusal(move(engine)) == "InitChain: stops"
