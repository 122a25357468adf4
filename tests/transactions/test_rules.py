"""Verdicts, against every recorded transaction of the reference."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from scripts.bench.dear_transactions import dear_create
from scripts.signing import Document, create, encode, seal, sign, transfer
from tests.conftest import VECTORS
from tests.transactions.documents import (
    ALICE,
    BOB,
    REFUSED,
    VALID,
    nested_details,
    raw_of,
    vector,
)
from tests.transactions.states import State
from tests.voting import KEYS, NEWCOMER, SET, election, migration, vote
from trio_stream.transactions.candidate import Candidate
from trio_stream.transactions.elections import MAX_TOTAL_POWER, Validator
from trio_stream.transactions.errors import (
    AmountError,
    AssetIdMismatch,
    DoubleSpend,
    DuplicateTransaction,
    FatalElection,
    InputDoesNotExist,
    InvalidPowerChange,
    InvalidProposer,
    InvalidSignature,
    MultipleInputsError,
    OutputIndexOutOfRange,
    SchemaValidationError,
    TooCostly,
    UnequalValidatorSet,
    ValidationError,
)
from trio_stream.transactions.model import Transaction
from trio_stream.transactions.rules import admit, validate

# The reference accepts it and dies of it when it stores the block.
ACCEPTED_BUT_FATAL = {"q12_create_integer_beyond_int64": "IntegerOutOfRange"}

# Where the reference gives no verdict but crashes, or its processes disagree: ours.
NO_VERDICT = {
    "x01_output_index_out_of_range": "OutputIndexOutOfRange",
    "x02_id_not_hex": "InvalidHash",
    "x03_details_key_not_32_bytes": "InvalidPublicKey",
    "x04_details_key_not_base58": "InvalidPublicKey",
    "x05_metadata_nan": "MalformedTransaction",
    "x06_lone_surrogate": "MalformedTransaction",
    "x07_owners_before_null": "SchemaValidationError",
    "x08_version_trailing_newline": "SchemaValidationError",
    "x09_fulfillment_unknown_tag": "InvalidSignature",
    "x10_fulfillment_bad_base64_length": "InvalidSignature",
    "x11_operation_is_a_list": "SchemaValidationError",
    "x12_transaction_is_a_list": "MalformedTransaction",
    "x13_output_index_2_pow_64": "SchemaValidationError",
    "x14_create_subnormal_float": "SubnormalDouble",
}

ELECTIONS = sorted(path.stem for path in VECTORS.glob("e[0-9]*.json"))
VALID_ELECTIONS = [name for name in ELECTIONS if vector(name)["valid"]]


def _validate(raw: bytes, state: State) -> Transaction:
    return validate(Candidate(raw, b""), state)


def _accept(document: Document, state: State) -> Transaction:
    accepted = _validate(encode(document), state)
    state.add(accepted)
    return accepted


def _prepared(recorded: dict[str, Any]) -> State:
    state = State(
        [
            Validator(
                "ed25519",
                base64.b64decode(each["public_key"]["value"]),
                each["voting_power"],
            )
            for each in recorded.get("validators", [])
        ]
    )
    for spent in recorded.get("spends", []):
        _accept(spent, state)
    return state


def test_every_recorded_transaction_is_looked_at() -> None:
    assert (len(VALID), len(REFUSED), len(ELECTIONS)) == (29, 53, 11)
    assert len(VALID_ELECTIONS) == 4


@pytest.mark.parametrize(
    "name", sorted({*VALID, *VALID_ELECTIONS} - set(ACCEPTED_BUT_FATAL))
)
def test_valid_in_the_reference(name: str) -> None:
    recorded = vector(name)
    accepted = _validate(raw_of(recorded), _prepared(recorded))
    assert accepted.id == recorded["transaction"]["id"]


@pytest.mark.parametrize(
    "name", sorted({*REFUSED, *ELECTIONS} - {*VALID_ELECTIONS, *NO_VERDICT})
)
def test_refused_by_the_reference(name: str) -> None:
    recorded = vector(name)
    state = _prepared(recorded)
    with pytest.raises(ValidationError) as caught:
        _validate(raw_of(recorded), state)
    assert type(caught.value).__name__ == recorded["error"]
    assert str(caught.value) == recorded["error_message"]


@pytest.mark.parametrize(
    "name, ours", sorted({**NO_VERDICT, **ACCEPTED_BUT_FATAL}.items())
)
def test_refused_by_us_alone(name: str, ours: str) -> None:
    recorded = vector(name)
    state = _prepared(recorded)
    with pytest.raises(ValidationError) as caught:
        _validate(raw_of(recorded), state)
    assert type(caught.value).__name__ == ours


def test_a_transaction_may_come_only_once() -> None:
    state = State()
    created = create(ALICE)
    _accept(created, state)
    with pytest.raises(DuplicateTransaction):
        _accept(created, state)
    moved = transfer(created, ALICE)
    _accept(moved, state)
    # No rule of its own: what it spends is spent.
    with pytest.raises(DoubleSpend, match=f"input `{created['id']}` was already spent"):
        _accept(moved, state)


def test_a_duplicate_is_found_before_its_signature_is_checked() -> None:
    state = State()
    unsigned = create(ALICE)
    unsigned["inputs"][0]["fulfillment"] = create(BOB)["inputs"][0]["fulfillment"]
    with pytest.raises(InvalidSignature):
        _accept(seal(unsigned), state)
    state.add(Candidate(encode(unsigned), b"").transaction or pytest.fail())
    with pytest.raises(DuplicateTransaction):
        _accept(unsigned, state)


def test_what_was_transferred_can_be_transferred_on() -> None:
    state = State()
    created = create(ALICE, recipients=[(ALICE, 5), (BOB, 6)])
    first = transfer(created, BOB, output_index=1, recipients=[(ALICE, 2), (BOB, 4)])
    second = transfer(first, ALICE, recipients=[(BOB, 2)])
    for document in created, first, second:
        _accept(document, state)


def _two_inputs(first: Document, second: Document, *, index: int = 0) -> Document:
    document = transfer(first, ALICE, recipients=[(BOB, 2)])
    link = {"transaction_id": second["id"], "output_index": index}
    document["inputs"].append({**document["inputs"][0], "fulfills": link})
    return sign(document, ALICE, ALICE)


def test_the_order_of_the_checks_of_a_transfer() -> None:
    state = State()
    one, other = create(ALICE, metadata={"n": 1}), create(ALICE, metadata={"n": 2})
    document = _two_inputs(one, other, index=7)
    with pytest.raises(InputDoesNotExist, match=one["id"]):
        _accept(document, state)
    _accept(one, state)
    with pytest.raises(InputDoesNotExist, match=other["id"]):
        _accept(document, state)
    _accept(other, state)
    with pytest.raises(OutputIndexOutOfRange, match=other["id"]):
        _accept(document, state)
    with pytest.raises(AssetIdMismatch, match="same asset id"):
        _accept(_two_inputs(one, other), state)
    with pytest.raises(DoubleSpend, match="spends inputs twice"):
        _accept(_two_inputs(one, one), state)
    _accept(transfer(other, ALICE), state)
    with pytest.raises(DoubleSpend, match="already spent"):
        _accept(_two_inputs(one, other), state)
    with pytest.raises(DoubleSpend, match="already spent"):
        _accept(_two_inputs(other, other), state)


def test_the_asset_the_amounts_and_the_signature_come_last_in_this_order() -> None:
    state = State()
    created = create(ALICE)
    _accept(created, state)
    document = transfer(created, ALICE, recipients=[(BOB, 2)])
    document["asset"]["id"] = "0" * 64
    with pytest.raises(AssetIdMismatch, match="does not match"):
        _accept(sign(document, BOB), state)
    document["asset"]["id"] = created["id"]
    with pytest.raises(AmountError, match="inputs `1` .* outputs `2`"):
        _accept(sign(document, BOB), state)
    document["outputs"][0]["amount"] = "1"
    with pytest.raises(InvalidSignature, match="signature is invalid"):
        _accept(sign(document, BOB), state)
    _accept(sign(document, ALICE), state)


@pytest.mark.parametrize("index", [1, 2**63, 2**64 - 1])
def test_an_index_may_be_any_that_the_structure_allows(index: int) -> None:
    state = State()
    created = create(ALICE)
    _accept(created, state)
    document = transfer(created, ALICE)
    document["inputs"][0]["fulfills"]["output_index"] = index
    with pytest.raises(OutputIndexOutOfRange):
        _accept(sign(document, ALICE), state)


def test_an_id_may_be_any_text_that_contains_a_hash() -> None:
    state = State()
    created = create(ALICE)
    _accept(created, state)
    document = transfer(created, ALICE)
    document["inputs"][0]["fulfills"]["transaction_id"] = f"<{created['id']}>" * 1_000
    with pytest.raises(InputDoesNotExist):
        _accept(sign(document, ALICE), state)


def test_an_output_without_a_condition_is_never_spent() -> None:
    state = State()
    created = create(ALICE)
    details = nested_details(1)
    details["threshold"] = 2
    created["outputs"][0]["condition"]["details"] = details
    _accept(sign(created, ALICE), state)
    with pytest.raises(InvalidSignature):
        _accept(transfer(created, ALICE), state)


@pytest.mark.parametrize("open_election", [election, migration])
def test_the_order_of_the_checks_of_an_election(open_election: Any) -> None:
    state = State(SET)
    good = open_election()
    _accept(good, state)
    stranger = open_election(recipients=[(ALICE, 1)], proposer=ALICE)
    unsigned = {**stranger, "inputs": good["inputs"]}
    two = open_election(recipients=[(ALICE, 1)])
    two["inputs"][0]["owners_before"] *= 2
    with pytest.raises(DuplicateTransaction):
        _accept(good, state)
    with pytest.raises(InvalidSignature):
        _accept(seal(unsigned), state)
    with pytest.raises(MultipleInputsError):
        _accept(sign(two, KEYS[0]), state)
    with pytest.raises(InvalidProposer):
        _accept(stranger, state)
    with pytest.raises(UnequalValidatorSet):
        _accept(open_election(recipients=[(ALICE, 1)]), state)


def test_an_election_without_owners_has_no_proposer() -> None:
    document = election()
    document["inputs"][0]["owners_before"] = []
    with pytest.raises(MultipleInputsError):
        _accept(sign(document, KEYS[0]), State(SET))


@pytest.mark.parametrize("keys", [None, [], [KEYS[0].public, KEYS[1].public]])
def test_an_output_of_an_election_is_one_validators(keys: Any) -> None:
    document = election()
    document["outputs"][0]["public_keys"] = keys
    with pytest.raises(UnequalValidatorSet):
        _accept(sign(document, KEYS[0]), State(SET))


def test_the_outputs_of_an_election_may_be_in_any_order_and_an_earlier_one_too_many() -> (
    None
):
    tokens = [(key, 10) for key in KEYS]
    state = State(SET)
    _accept(election(recipients=tokens[::-1]), state)
    _accept(election(recipients=[(KEYS[2], 900), *tokens]), state)
    with pytest.raises(UnequalValidatorSet):
        _accept(election(recipients=[*tokens, (KEYS[2], 900)]), state)


@pytest.mark.parametrize("power", [14, 40, 13.5, 2**62])
def test_a_third_of_the_power_is_too_much_at_once(power: object) -> None:
    with pytest.raises(InvalidPowerChange):
        _accept(election(power=power), State(SET))


@pytest.mark.parametrize("power", ["5", None, [], {}])
def test_a_power_that_is_no_number_is_refused(power: object) -> None:
    with pytest.raises(SchemaValidationError, match="is not of type 'number'"):
        _accept(election(power=power), State(SET))


ONE = [Validator("ed25519", bytes(KEYS[0].secret.verify_key), 10)]


@pytest.mark.parametrize(
    "validators, power, encoding, text",
    [
        (SET, -1, "ed25519-base16", "must not be negative"),
        (SET, 5.0, "ed25519-base16", "must be an integer"),
        (SET, 0, "ed25519-base16", "is not in the set"),
        (SET, 5, "ed25519-base32", "must be ed25519-base16"),
        (SET, 5, "ed25519-base64", "must be ed25519-base16"),
        (
            [each._replace(key_type="secp256k1") for each in SET],
            5,
            "ed25519-base16",
            "no validator with an ed25519 key",
        ),
        (
            [each._replace(power=MAX_TOTAL_POWER // 4) for each in SET],
            2**32,
            "ed25519-base16",
            f"a power of at most {MAX_TOTAL_POWER}",
        ),
    ],
)
def test_a_change_that_the_engine_would_not_survive_is_valid_in_blocks_alone(
    validators: Sequence[Validator], power: object, encoding: str, text: str
) -> None:
    tokens = [(key, each.power) for key, each in zip(KEYS, validators, strict=True)]
    document = election(power=power, encoding=encoding, recipients=tokens)
    with pytest.raises(FatalElection, match=text):
        admit(_candidate(document), State(validators))
    _accept(document, State(validators))


def test_the_last_validator_is_not_removed() -> None:
    document = election(KEYS[0], power=0, recipients=[(KEYS[0], 10)])
    with pytest.raises(FatalElection, match="the last validator"):
        admit(_candidate(document), State(ONE))


@pytest.mark.parametrize(
    "document",
    [
        election(KEYS[0], power=0),
        election(NEWCOMER, power=True),
        migration(),
        create(ALICE),
    ],
)
def test_all_else_that_is_valid_is_admitted(document: dict[str, Any]) -> None:
    assert admit(_candidate(document), State(SET)).id == document["id"]


def test_what_takes_too_long_to_verify_is_not_admitted() -> None:
    dear = dear_create(ALICE, signatures=500, prefix_bytes=200_000, real=False)
    with pytest.raises(TooCostly):
        admit(Candidate(dear, b""), State(SET))


def _candidate(document: dict[str, Any]) -> Candidate:
    return Candidate(encode(document), b"")


def test_a_vote_is_a_transfer_of_anything() -> None:
    state = State(SET)
    opened = election()
    created = create(ALICE)
    for document in opened, created:
        _accept(document, state)
    cast = vote(opened, KEYS[1])
    _accept(cast, state)
    with pytest.raises(DoubleSpend):
        _accept(vote(opened, KEYS[1], metadata={"again": 1}), state)
    with pytest.raises(InvalidSignature):
        _accept(vote(opened, KEYS[2], signer=ALICE), state)
    _accept(vote(created, ALICE), state)
    _accept(transfer(opened, KEYS[2], output_index=2, recipients=[(BOB, 10)]), state)
