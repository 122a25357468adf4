"""What a chain begins with, and what its genesis file may ask for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.ledger.chains import TIME
from trio_stream.abci.messages import InitChain, ValidatorUpdate
from trio_stream.ledger.block import MAX_HEIGHT, Continued
from trio_stream.ledger.genesis import GenesisError, app_state_of, read_chain
from trio_stream.transactions.elections import Validator

NOTHING = hashlib.sha3_256(b"").hexdigest()


def request(app_state=b"", *, initial_height=1, signed=True, validators=()):
    return InitChain(TIME, "chain", validators, app_state, initial_height, signed)


def test_a_chain_starts_from_the_empty_hash_where_the_prefix_is_signed():
    assert read_chain(request(signed=True)).start_hash == ""


def test_a_chain_starts_from_the_hash_of_nothing_elsewhere():
    assert read_chain(request(signed=False)).start_hash == NOTHING


@pytest.mark.parametrize("signed", [True, False])
def test_the_genesis_file_overrides_the_start(signed):
    empty = b'{"rules": 1, "start_hash": "empty"}'
    sha3 = b'{"start_hash": "sha3"}'
    assert read_chain(request(empty, signed=signed)).start_hash == ""
    assert read_chain(request(sha3, signed=signed)).start_hash == NOTHING


def test_rules_alone_leave_the_start():
    assert read_chain(request(b'{"rules": 1}', signed=False)).start_hash == NOTHING


def test_everything_else_is_kept_as_it_came():
    validators = (ValidatorUpdate("ed25519", b"k", 10), ValidatorUpdate("", b"", 1))
    chain = read_chain(request(initial_height=10, validators=validators))
    assert chain.chain_id == "chain"
    assert chain.rules == 1
    assert chain.initial_height == 10
    assert chain.genesis_time == TIME
    assert chain.validators == (Validator("ed25519", b"k", 10), Validator("", b"", 1))


@pytest.mark.parametrize(
    "app_state",
    [
        b"",
        b"null",
        b"{}",
        b'"rules"',
        b'["rules", "start_hash"]',
        b'{"accounts": [{"rules": 2}]}',
        b"\xff\xfe not JSON",
        b"[" * 100_000,
    ],
)
def test_the_state_of_another_application_is_ignored(app_state):
    assert read_chain(request(app_state)).start_hash == ""


@pytest.mark.parametrize(
    ("app_state", "named"),
    [
        (b'{"rules": 2}', "rules 2"),
        (b'{"rules": "1"}', "rules '1'"),
        (b'{"rules": true}', "rules True"),
        (b'{"rules": 1.0}', "rules 1.0"),
        (b'{"rules": null}', "rules None"),
        (b'{"start_hash": ""}', "start_hash ''"),
        (b'{"start_hash": "SHA3"}', "start_hash 'SHA3'"),
        (b'{"start_hash": ["empty"]}', "start_hash ['empty']"),
        (b'{"rules": 1, "colour": 3, "app": 4}', "unknown 'app', 'colour'"),
        (b'{"rules": 1, "start_hash": "empty"', "not JSON"),
        (b'{"start_hash": "' + b"x" * 10**6 + b'"}', "start_hash 'xxx"),
        (b'{"rules": 1, "' + b"x" * 10**6 + b'": 1}', "unknown 'xxx"),
    ],
)
def test_what_is_meant_for_us_and_unknown_is_named(app_state, named):
    with pytest.raises(GenesisError) as caught:
        read_chain(request(app_state))
    assert named in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("height", [0, -1, MAX_HEIGHT + 1, 2**63 - 1])
def test_an_impossible_initial_height_is_named(height):
    with pytest.raises(GenesisError, match=f"initial_height {height} "):
        read_chain(request(initial_height=height))


END: dict[str, Any] = {"height": 9, "app_hash": "ab" * 32, "digest": "cd" * 32}


def test_a_chain_may_go_on_where_another_one_ended():
    end = Continued(**END)
    app_state = json.dumps(app_state_of(end)).encode()
    chain = read_chain(request(app_state, initial_height=10))
    assert chain.continues == end
    assert chain.start_hash == end.app_hash
    assert read_chain(request(b"")).continues is None


def test_a_chain_that_goes_on_without_an_app_hash_starts_as_others_do():
    app_state = json.dumps(app_state_of(Continued(9, "", "cd" * 32))).encode()
    for signed, start in ((True, ""), (False, NOTHING)):
        chain = read_chain(request(app_state, initial_height=10, signed=signed))
        assert chain.start_hash == start


@pytest.mark.parametrize(
    ("continues", "named"),
    [
        (None, "height, app_hash and digest"),
        ({}, "height, app_hash and digest"),
        ({**END, "more": 1}, "height, app_hash and digest"),
        ({**END, "height": 8}, "ended at height 9, and not at 8"),
        ({**END, "height": "9"}, "not at '9'"),
        ({**END, "height": 9.0}, "not at 9.0"),
        ({**END, "digest": None}, "digest None is not 64 hex digits"),
        ({**END, "digest": "AB" * 32}, "digest 'ABAB"),
        ({**END, "digest": ""}, "digest '' is not"),
        ({**END, "app_hash": 7}, "app_hash 7 is not"),
        ({**END, "app_hash": 0}, "app_hash 0 is not"),
        ({**END, "app_hash": None}, "app_hash None is not"),
        ({**END, "app_hash": []}, "app_hash [] is not"),
        ({**END, "app_hash": {}}, "app_hash {} is not"),
        ({**END, "app_hash": "x" * 10**6}, "app_hash 'xxx"),
    ],
)
def test_an_end_that_can_not_be_read_is_named(continues, named):
    app_state = json.dumps({"rules": 1, "continues": continues}).encode()
    with pytest.raises(GenesisError) as caught:
        read_chain(request(app_state, initial_height=10))
    assert named in str(caught.value)
    assert len(str(caught.value)) < 300
