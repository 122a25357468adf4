"""The genesis file with which a chain goes on, as engines read it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.voting import SET
from trio_stream.abci.messages import InitChain, Time, ValidatorUpdate
from trio_stream.ledger.block import Continued
from trio_stream.ledger.genesis import read_chain
from trio_stream.ledger.genesis_file import NoGenesis, genesis_file
from trio_stream.transactions.elections import Validator

END = Continued(7, "ab" * 32, "cd" * 32)
TIME = Time(1_577_836_800, 123_456_789)


def made(**others: Any) -> dict[str, Any]:
    given = {"chain_id": "b", "end": END, "time": TIME, "validators": SET, **others}
    document: dict[str, Any] = json.loads(genesis_file(**given))
    return document


def test_it_follows_from_the_end_of_the_chain_before() -> None:
    assert genesis_file("b", END, TIME, SET) == genesis_file("b", END, TIME, SET)
    document = made()
    assert document["chain_id"] == "b"
    assert document["initial_height"] == "8"
    assert document["genesis_time"] == "2020-01-01T00:00:00.124Z"
    assert document["app_hash"] == ""
    assert document["consensus_params"]["validator"] == {"pub_key_types": ["ed25519"]}
    first = document["validators"][0]
    assert first == {
        "pub_key": {
            "type": "tendermint/PubKeyEd25519",
            "value": base64.b64encode(SET[0].key).decode(),
        },
        "power": "10",
        "name": "",
    }
    assert len(document["validators"]) == len(SET)


def test_init_chain_understands_it() -> None:
    document = made()
    chain = read_chain(
        InitChain(
            TIME,
            document["chain_id"],
            tuple(ValidatorUpdate(*each) for each in SET),
            json.dumps(document["app_state"]).encode(),
            int(document["initial_height"]),
            signed=False,
        )
    )
    assert chain.continues == END
    assert chain.start_hash == END.app_hash


@pytest.mark.parametrize(
    ("nanos", "seconds", "written"),
    [
        (0, 0, "1970-01-01T00:00:00.001Z"),
        (999_000_000, 0, "1970-01-01T00:00:01.000Z"),
        (999_999_999, 59, "1970-01-01T00:01:00.000Z"),
        (5_000_000, -1, "1969-12-31T23:59:59.006Z"),
    ],
)
def test_its_time_is_after_that_of_the_last_block(
    nanos: int, seconds: int, written: str
) -> None:
    assert made(time=Time(seconds, nanos))["genesis_time"] == written


def test_keys_of_another_type_are_allowed_if_engines_know_them() -> None:
    validators = [Validator("secp256k1", b"k" * 33, 1), *SET]
    document = made(validators=validators)
    types = document["consensus_params"]["validator"]["pub_key_types"]
    assert types == ["ed25519", "secp256k1"]
    assert document["validators"][0]["pub_key"]["type"] == "tendermint/PubKeySecp256k1"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"chain_id": ""}, "1 to 50 characters"),
        ({"chain_id": "x" * 51}, "--chain-id"),
        ({"chain_id": "ü" * 26}, "--chain-id"),
        ({"validators": []}, "no validators"),
        ({"validators": [Validator("bls12381", b"", 1)]}, "'bls12381'"),
        ({"time": Time(2**62, 0)}, "time can't be written"),
    ],
)
def test_what_engines_would_not_take_is_refused(
    given: dict[str, Any], named: str
) -> None:
    with pytest.raises(NoGenesis, match=named):
        made(**given)
