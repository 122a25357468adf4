"""The shape of elections and votes, compared with RapidJSON's validator; and fatal changes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import rapidjson
from hypothesis import given
from hypothesis import strategies as st

from scripts.signing import create, encode, sign
from tests.transactions.documents import ALICE
from tests.voting import KEYS, NEWCOMER, SET, election, key_of, migration, vote
from trio_stream.transactions.elections import (
    MAX_TOTAL_POWER,
    Change,
    Validator,
    address_of,
    change_of,
    changed,
    check,
    why_fatal,
)
from trio_stream.transactions.errors import (
    IntegerOutOfRange,
    InvalidPublicKey,
    SchemaValidationError,
    ValidationError,
)
from trio_stream.transactions.model import parse
from trio_stream.transactions.structure import check as check_structure

Document = dict[str, Any]

URI = (
    "^ni:///sha-256;([a-zA-Z0-9_-]{0,86})[?](fpt=ed25519-sha-256(&)?"
    "|cost=[0-9]+(&)?|subtypes=ed25519-sha-256(&)?){2,3}$"
)
OUTPUTS: Document = {
    "type": "array",
    "items": {
        "properties": {
            "condition": {
                "type": "object",
                "required": ["uri"],
                "properties": {"uri": {"type": "string", "pattern": URI}},
            }
        }
    },
}
OF_CHANGE: Document = {
    "properties": {
        "outputs": OUTPUTS,
        "asset": {
            "properties": {
                "data": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "node_id": {"type": "string"},
                        "seed": {"type": "string"},
                        "public_key": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["value", "type"],
                            "properties": {
                                "value": {"type": "string"},
                                "type": {
                                    "type": "string",
                                    "enum": [
                                        "ed25519-base16",
                                        "ed25519-base32",
                                        "ed25519-base64",
                                    ],
                                },
                            },
                        },
                        "power": {},
                    },
                    "required": ["node_id", "public_key", "power"],
                }
            }
        },
    }
}
OF_MIGRATION: Document = {
    "properties": {
        "outputs": OUTPUTS,
        "asset": {
            "properties": {
                "data": {
                    "anyOf": [
                        {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {"seed": {"type": "string"}},
                        },
                        {"type": "null"},
                    ]
                }
            }
        },
    }
}
SCHEMAS = {
    "VALIDATOR_ELECTION": rapidjson.Validator(json.dumps(OF_CHANGE)),
    "CHAIN_MIGRATION_ELECTION": rapidjson.Validator(json.dumps(OF_MIGRATION)),
    "VOTE": rapidjson.Validator(json.dumps({"properties": {"outputs": OUTPUTS}})),
}

OPENED = election()
SEEDS = [OPENED, election(power="no"), migration(), vote(OPENED, KEYS[1])]
KEY = "5E212C0980E4B39FC09721134AA02109374EDFD260C0D3D03CB501C8D65457A9"
SCRAPS: list[object] = [
    *[None, True, 0, 5, 1.5, "", "a", KEY, [], {}, {"a": 1}, {"seed": "b"}],
    *["ed25519-base16", "ed25519-base32", "ed25519-base64", "ed25519-base16\n"],
    {"value": KEY, "type": "ed25519-base16"},
    {"value": KEY, "type": "ed25519-base16", "foo": 1},
    "ni:///sha-256;a?fpt=ed25519-sha-256&cost=1",
    "ni:///sha-256;a?fpt=threshold-sha-256&cost=1",
    "ni:///sha-256;a?fpt=threshold-sha-256&cost=1&subtypes=ed25519-sha-256",
    "ni:///sha-256;?cost=1&cost=2\n",
    "ni:///sha-256;?cost=1&cost=2",
]
NAMES = ["data", "seed", "node_id", "public_key", "power", "type", "value", "foo"]


def _containers(value: object) -> Iterator[Document]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid document with up to three changes to its asset and a uri."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        scrap = copy.deepcopy(draw(st.sampled_from(SCRAPS)))
        container = draw(st.sampled_from(list(_containers(document["asset"]))))
        change = draw(st.sampled_from(["put", "remove", "add", "uri"]))
        if change == "uri":
            document["outputs"][0]["condition"]["uri"] = scrap
        elif change == "add" or not container:
            container[draw(st.sampled_from(NAMES))] = scrap
        else:
            name = draw(st.sampled_from(sorted(container)))
            del container[name]
            if change == "put":
                container[name] = scrap
    return document


@given(documents())
def test_verdicts_are_those_of_the_schema(document: Document) -> None:
    try:
        check_structure(document)
    except SchemaValidationError:
        return
    try:
        SCHEMAS[document["operation"]](rapidjson.dumps(document))
    except rapidjson.ValidationError:
        with pytest.raises(SchemaValidationError):
            check(document)
    else:
        try:
            check(document)
        except InvalidPublicKey:
            assert document["operation"] == "VALIDATOR_ELECTION"


def _of(data: object, operation: str = "VALIDATOR_ELECTION") -> Document:
    return {**OPENED, "operation": operation, "asset": {"data": data}}


DATA = OPENED["asset"]["data"]


@pytest.mark.parametrize(
    "data, text",
    [
        (None, "None is not of type 'object'"),
        ({**DATA, "foo": 1}, "Additional properties are not allowed ('foo' was"),
        ({"node_id": "a", "public_key": {}}, "'power' is a required property"),
        ({**DATA, "node_id": 5}, "5 is not of type 'string'"),
        ({**DATA, "seed": 5}, "5 is not of type 'string'"),
        ({**DATA, "public_key": "a"}, "'a' is not of type 'object'"),
        ({**DATA, "public_key": {}}, "'value' is a required property"),
        ({**DATA, "public_key": {"value": 1, "type": "a"}}, "1 is not of type"),
        ({**DATA, "public_key": {"value": "1", "type": "a"}}, "'a' is not one of ["),
    ],
)
def test_what_is_wrong_with_the_data_of_a_validator_election(
    data: object, text: str
) -> None:
    with pytest.raises(SchemaValidationError) as caught:
        check(_of(data))
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("data", [None, {}, {"seed": "a"}])
def test_the_data_of_a_migration_may_be_next_to_nothing(data: object) -> None:
    check(_of(data, "CHAIN_MIGRATION_ELECTION"))
    for bad in {"seed": 5}, {"power": 5}:
        with pytest.raises(SchemaValidationError):
            check(_of(bad, "CHAIN_MIGRATION_ELECTION"))


def test_an_output_of_an_election_or_a_vote_is_no_threshold() -> None:
    uri = "ni:///sha-256;a?fpt=threshold-sha-256&cost=1&subtypes=ed25519-sha-256"
    for seed in SEEDS:
        document = copy.deepcopy(seed)
        document["outputs"][-1]["condition"]["uri"] = uri
        check_structure(document)
        with pytest.raises(SchemaValidationError, match="does not match"):
            check(document)


@pytest.mark.parametrize(
    "encoding, value, text",
    [
        ("ed25519-base16", KEY.lower(), "Invalid `type` specified"),
        ("ed25519-base16", KEY[1:], "Invalid `type` specified"),
        ("ed25519-base16", "é", "Invalid `type` specified"),
        ("ed25519-base16", KEY[2:], "32 bytes"),
        ("ed25519-base16", "", "32 bytes"),
        ("ed25519-base32", KEY, "Invalid `type` specified"),
        ("ed25519-base64", KEY, "32 bytes"),
    ],
)
def test_a_key_is_written_as_its_type_says(
    encoding: str, value: str, text: str
) -> None:
    data = {**DATA, "public_key": {"type": encoding, "value": value}}
    with pytest.raises(InvalidPublicKey, match=text):
        check(_of(data))


@pytest.mark.parametrize(
    "encoding", ["ed25519-base16", "ed25519-base32", "ed25519-base64"]
)
def test_what_an_election_is_about(encoding: str) -> None:
    document = election(encoding=encoding, power=3)
    check(document)
    assert change_of(document) == Change(encoding, key_of(NEWCOMER), 3)


def test_the_address_is_the_id_as_if_it_were_a_key() -> None:
    address = "HZ2GFXwjjUtXPQ3pqsSV18g8qHDLjWVdZbMfHrGxPiKy"
    opened = "f5ef0135972de663dc3e0defe0b79cf0cdd77e8db823a3caad681e702f782190"
    assert address_of(opened) == address


def test_any_language_will_do_and_names_that_cannot_be_stored_will_not() -> None:
    document = election()
    document["metadata"] = {"language": "klingon"}
    parse(encode(sign(document, KEYS[0])))
    for metadata in {"$a": 1}, {"a.b": 1}, {"a\0": 1}:
        document["metadata"] = metadata
        with pytest.raises(ValidationError, match="Invalid key name"):
            parse(encode(sign(document, KEYS[0])))
    with pytest.raises(IntegerOutOfRange):
        parse(encode(election(power=2**63)))
    # A CREATE is still what it was.
    with pytest.raises(ValidationError, match="language"):
        parse(encode(create(ALICE, metadata={"language": "klingon"})))


def _change(key: bytes, power: object) -> Change:
    return Change("ed25519-base16", key, power)


def test_a_member_keeps_its_place_and_a_new_one_comes_last() -> None:
    new = Validator("ed25519", b"n" * 32, 1)
    assert changed(SET, _change(new.key, 1)) == [*SET, new]
    assert changed(SET, _change(new.key, True)) == [*SET, new]
    other = SET[1]._replace(power=3)
    assert changed(SET, _change(other.key, 3)) == [SET[0], other, *SET[2:]]
    assert changed(SET, _change(SET[1].key, 0)) == [SET[0], *SET[2:]]
    # A key of another type is another key.
    alike = [SET[0]._replace(key_type="sr25519")]
    assert changed(alike, _change(SET[0].key, 3)) == [*alike, SET[0]._replace(power=3)]


@pytest.mark.parametrize("power", [1, 13, True, 2**62, MAX_TOTAL_POWER])
def test_whatever_is_elected_leaves_a_set_that_the_engine_takes(power: object) -> None:
    change = _change(b"n" * 32, power)
    if why_fatal(SET, change) is None:
        assert sum(each.power for each in changed(SET, change)) <= MAX_TOTAL_POWER
    else:
        assert isinstance(power, int)
        assert power + 40 > MAX_TOTAL_POWER


@given(
    st.lists(st.sampled_from(SET), min_size=1, unique=True),
    st.sampled_from([*SET, Validator("ed25519", b"n" * 32, 0)]),
    st.one_of(st.integers(-2, 20), st.floats(0, 9), st.integers(2**59, 2**61)),
)
def test_what_is_not_fatal_is_a_change_by_the_engines_rules(
    validators: list[Validator], member: Validator, power: object
) -> None:
    change = _change(member.key, power)
    is_fatal = why_fatal(validators, change) is not None
    if not isinstance(power, int) or power < 0:
        assert is_fatal
        return
    # As the engine says it: sets are maps of keys to powers.
    powers = {each.key: each.power for each in validators}
    if not power and member.key not in powers:
        assert is_fatal
        return
    powers[member.key] = power
    left = {key: power for key, power in powers.items() if power}
    assert is_fatal == (not left or sum(left.values()) > MAX_TOTAL_POWER)
    if not is_fatal:
        assert {each.key: each.power for each in changed(validators, change)} == left


def test_only_keys_of_the_kind_that_the_chain_has_are_elected() -> None:
    change = _change(b"n" * 32, 3)
    assert why_fatal(SET, change) is None
    for encoding in "ed25519-base32", "ed25519-base64":
        assert why_fatal(SET, change._replace(encoding=encoding)) is not None
    others = [each._replace(key_type="secp256k1") for each in SET]
    assert why_fatal(others, change) is not None
    assert why_fatal([*others, SET[0]], change) is None
