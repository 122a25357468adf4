"""Which keys a transaction names, and where."""

from __future__ import annotations

import json

from scripts.signing import create, encode, seal, transfer
from tests.conftest import VECTORS
from tests.ledger.chains import ALICE, BOB
from trio_stream.transactions.candidate import CandidateCache
from trio_stream.transactions.owners import OWNER_BEFORE, NamedKey, Stands, named_keys


def keys_of(document):
    transaction = CandidateCache(0).examine(encode(document)).transaction
    assert transaction is not None
    return list(named_keys(transaction, transaction.value))


def vector(name):
    return json.loads((VECTORS / f"{name}.json").read_text())["transaction"]


def test_owners_before_and_output_keys_are_named():
    moved = transfer(create(ALICE), ALICE, recipients=[(BOB, 1)])
    assert keys_of(moved) == [
        NamedKey(ALICE.public, OWNER_BEFORE),
        NamedKey(BOB.public, 0, Stands.LISTED_AND_LOCKING),
    ]


def test_all_keys_of_a_nested_threshold_stand_in_its_details():
    outputs = [key for key in keys_of(vector("v11_create_nested_threshold_output"))]
    named = [key for key in outputs if key.output_index == 0]
    assert len(named) >= 3
    assert all(key.stands is Stands.LISTED_AND_LOCKING for key in named)


def test_a_key_that_stands_in_public_keys_alone_is_marked():
    document = create(ALICE)
    document["outputs"][0]["public_keys"] = [BOB.public]
    # The signature no longer fits; which keys are named does not depend on it.
    assert keys_of(seal(document))[1] == NamedKey(BOB.public, 0, Stands.LISTED)


def test_a_key_in_the_details_of_an_output_and_listed_by_another_is_named_in_both():
    document = create(ALICE, recipients=[(ALICE, 1), (ALICE, 1), (BOB, 1)])
    for index in (0, 2):
        document["outputs"][index]["public_keys"] = [BOB.public]
    assert keys_of(seal(document))[1:] == [
        NamedKey(BOB.public, 0, Stands.LISTED),
        NamedKey(ALICE.public, 0, Stands.LOCKING),
        NamedKey(ALICE.public, 1, Stands.LISTED_AND_LOCKING),
        NamedKey(BOB.public, 2, Stands.LISTED_AND_LOCKING),
    ]


def test_a_key_that_stands_in_details_alone_is_not_named():
    document = create(ALICE)
    document["outputs"][0]["public_keys"] = []
    assert keys_of(seal(document)) == [NamedKey(ALICE.public, OWNER_BEFORE)]


def test_a_key_named_twice_in_one_place_is_named_once():
    document = create(ALICE)
    document["outputs"][0]["public_keys"] = [ALICE.public, ALICE.public]
    document["inputs"][0]["owners_before"] = [ALICE.public, ALICE.public]
    assert keys_of(seal(document)) == [
        NamedKey(ALICE.public, OWNER_BEFORE),
        NamedKey(ALICE.public, 0, Stands.LISTED_AND_LOCKING),
    ]


def test_white_space_behind_a_key_in_details_does_not_count():
    document = create(ALICE)
    document["outputs"][0]["condition"]["details"]["public_key"] += " "
    assert keys_of(seal(document))[1] == NamedKey(
        ALICE.public, 0, Stands.LISTED_AND_LOCKING
    )


def test_what_is_too_long_for_a_key_is_left_out():
    document = create(ALICE)
    document["outputs"][0]["public_keys"] = ["a" * 65, "b" * 64]
    document["inputs"][0]["owners_before"] = ["c" * 1000]
    assert keys_of(seal(document)) == [NamedKey("b" * 64, 0)]


def test_null_public_keys_are_none():
    assert keys_of(vector("q10_create_public_keys_null_owners_empty")) == []


def test_a_number_that_a_duplicate_replaces_does_no_harm():
    document = create(ALICE)
    raw = b'{"version": ' + b"9" * 5_000 + b", " + encode(document)[1:]
    transaction = CandidateCache(0).examine(raw).transaction
    assert transaction is not None
    assert list(named_keys(transaction, transaction.value)) == keys_of(document)
