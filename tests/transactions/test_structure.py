"""Structure, compared with RapidJSON's validator for the rules as JSON Schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import rapidjson
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.signing import create, transfer
from tests.conftest import VECTORS
from tests.transactions.documents import ALICE, BOB, nested_details
from tests.voting import KEYS as VOTERS
from tests.voting import election, vote
from trio_stream.transactions.errors import SchemaValidationError
from trio_stream.transactions.structure import CREATING, PLAIN, VOTE, check

Document = dict[str, Any]

ELECTIONS = ["VALIDATOR_ELECTION", "CHAIN_MIGRATION_ELECTION", "VOTE"]


def _any_of(*schemas: Document) -> Document:
    return {"anyOf": list(schemas)}


def _object(properties: Document, required: list[str] | None = None) -> Document:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def _text(pattern: str) -> Document:
    return {"type": "string", "pattern": pattern}


NULL = {"type": "null"}
HASH = _text("[0-9a-f]{64}")
KEYS = _any_of({"type": "array", "items": _text("[1-9a-zA-Z^OIl]{43,44}")}, NULL)
DETAILS = {"$ref": "#/definitions/details"}
URI = (
    "^ni:///sha-256;([a-zA-Z0-9_-]{0,86})[?](fpt=(ed25519|threshold)-sha-256(&)?"
    "|cost=[0-9]+(&)?|subtypes=ed25519-sha-256(&)?){2,3}$"
)
COMMON = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "definitions": {
        "details": _any_of(
            _object(
                {
                    "type": _text("^ed25519-sha-256$"),
                    "public_key": _text("[1-9a-zA-Z^OIl]{43,44}"),
                }
            ),
            _object(
                {
                    "type": _text("^threshold-sha-256$"),
                    "threshold": {"type": "integer", "minimum": 1, "maximum": 100},
                    "subconditions": {"type": "array", "items": DETAILS},
                }
            ),
        )
    },
    **_object(
        {
            # Its value has been compared with the hash by then.
            "id": {},
            "operation": {
                "type": "string",
                "enum": ["CREATE", "TRANSFER", *ELECTIONS],
            },
            "asset": _object(
                {"id": HASH, "data": _any_of({"type": "object"}, NULL)}, required=[]
            ),
            "inputs": {
                "type": "array",
                "items": _object(
                    {
                        "owners_before": KEYS,
                        "fulfillment": _any_of(_text("^[a-zA-Z0-9_-]*$"), DETAILS),
                        "fulfills": _any_of(
                            _object(
                                {
                                    "output_index": {"type": "integer", "minimum": 0},
                                    "transaction_id": HASH,
                                }
                            ),
                            NULL,
                        ),
                    },
                    required=["owners_before", "fulfillment"],
                ),
            },
            "outputs": {
                "type": "array",
                "items": _object(
                    {
                        "amount": _text("^[0-9]{1,20}$"),
                        "condition": _object({"details": DETAILS, "uri": _text(URI)}),
                        "public_keys": KEYS,
                    }
                ),
            },
            "metadata": _any_of({"type": "object", "minProperties": 1}, NULL),
            "version": _text(r"^2\.0$"),
        }
    ),
}
OF_CREATE = {
    "properties": {
        "asset": {"properties": {"data": {}}, "additionalProperties": False}
        | {"required": ["data"]},
        "inputs": {
            "minItems": 1,
            "maxItems": 1,
            "items": {"required": ["fulfills"], "properties": {"fulfills": NULL}},
        },
    }
}
OF_TRANSFER = {
    "properties": {
        "asset": {"properties": {"id": {}}, "additionalProperties": False}
        | {"required": ["id"]},
        "inputs": {
            "minItems": 1,
            "items": {
                "required": ["fulfills"],
                "properties": {"fulfills": {"type": "object"}},
            },
        },
    }
}

_COMMON = rapidjson.Validator(json.dumps(COMMON))
_OF_CREATE = rapidjson.Validator(json.dumps(OF_CREATE))
_OF_TRANSFER = rapidjson.Validator(json.dumps(OF_TRANSFER))


def _verdict_of_rapidjson(document: object) -> str:
    text = rapidjson.dumps(document)
    try:
        _COMMON(text)
    except rapidjson.ValidationError:
        return "SchemaValidationError"
    assert isinstance(document, dict)
    try:
        is_moving = document["operation"] in ("TRANSFER", "VOTE")
        (_OF_TRANSFER if is_moving else _OF_CREATE)(text)
    except rapidjson.ValidationError:
        return "SchemaValidationError"
    return "valid"


def _verdict(document: object) -> str:
    try:
        check(document)  # type: ignore[arg-type]  # anything may come
    except SchemaValidationError:
        return "SchemaValidationError"
    return "valid"


CREATE = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], data={"a": 1})
THRESHOLD = copy.deepcopy(CREATE)
THRESHOLD["outputs"][1]["condition"]["details"] = {
    "type": "threshold-sha-256",
    "threshold": 2,
    "subconditions": [nested_details(0), nested_details(2)],
}
UNSIGNED = copy.deepcopy(CREATE)
UNSIGNED["inputs"][0]["fulfillment"] = nested_details(1)
TRANSFER = transfer(CREATE, ALICE, metadata={"b": None})
ELECTION = election()
SEEDS = [CREATE, THRESHOLD, UNSIGNED, TRANSFER, ELECTION, vote(ELECTION, VOTERS[0])]

HASH_TEXT = "0123456789abcdef" * 4
SCRAPS: list[object] = [
    *[None, True, False, 0, 1, -1, 100, 101, 2**63, 2**64 - 1, 2**64, -(2**63) - 1],
    *[0.0, 1.0, 1e300, "", "a", "1", "0007", "9" * 20, "9" * 21, "-1", "1\n", "\u0661"],
    *["2.0", "2.0\n", "1.0", "2x0", "CREATE", "TRANSFER", *ELECTIONS, "GENESIS"],
    *[HASH_TEXT, HASH_TEXT[1:], HASH_TEXT.upper(), f"<{HASH_TEXT}>\n", HASH_TEXT * 2],
    *[ALICE.public, ALICE.public[:42], "^" * 43, "0" * 43, f"é{'O' * 43}", "I" * 90],
    *["ed25519-sha-256", "threshold-sha-256", "ed25519-sha-256\n", "a+b", "_-", "a\n"],
    "ni:///sha-256;?cost=1cost=2",
    "ni:///sha-256;?cost=1&cost=2&fpt=threshold-sha-256&",
    "ni:///sha-256;a?cost=1",
    "ni:///sha-256;a?cost=&fpt=ed25519-sha-256",
    "ni:///sha-256;a?fpt=rsa-sha-256&cost=1",
    f"ni:///sha-256;{'a' * 86}?subtypes=ed25519-sha-256&cost=1",
    f"ni:///sha-256;{'a' * 87}?subtypes=ed25519-sha-256&cost=1",
    "ni:///sha-256;?cost=1&cost=2\n",
    "ni:///sha-256;?cost=1cost=2cost=3cost=4",
    *[[], {}, [None], [""], {"a": 1}, [[]], {"id": HASH_TEXT}, {"data": None}],
    *[[ALICE.public], [ALICE.public, 5], nested_details(0), nested_details(1)],
    {"transaction_id": HASH_TEXT, "output_index": 0},
    {"transaction_id": HASH_TEXT, "output_index": 0.0},
    CREATE["inputs"],
    CREATE["outputs"],
    TRANSFER["inputs"] * 2,
]
NAMES = [*CREATE, "data", "details", "uri", "type", "fulfills", "foo", "output_index"]
NAMES += ["public_key", "threshold", "subconditions", "public_keys", "owners_before"]


def _containers(value: object) -> Iterator[Document | list[Any]]:
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _containers(item)


@st.composite
def documents(draw: st.DrawFn) -> object:
    """A valid document with up to three changes, anywhere in it."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        container = draw(st.sampled_from(list(_containers(document))))
        change = draw(st.sampled_from(["put", "put", "put", "remove", "add"]))
        scrap = copy.deepcopy(draw(st.sampled_from(SCRAPS)))
        if isinstance(container, list):
            place = draw(st.integers(0, len(container)))
            container[place : place + (change != "add")] = (
                [] if change == "remove" else [scrap]
            )
        elif change == "add" or not container:
            container[draw(st.sampled_from(NAMES))] = scrap
        else:
            name = draw(st.sampled_from(sorted(container)))
            del container[name]
            if change == "put":
                container[name] = scrap
    return document


@settings(max_examples=200)
@given(documents())
def test_verdicts_are_those_of_the_schema(document: object) -> None:
    assert _verdict(document) == _verdict_of_rapidjson(document)


@pytest.mark.slow
@settings(max_examples=5_000)
@given(documents())
def test_verdicts_are_those_of_the_schema_at_length(document: object) -> None:
    assert _verdict(document) == _verdict_of_rapidjson(document)


@pytest.mark.parametrize("scrap", SCRAPS)
def test_each_scrap_in_each_place(scrap: object) -> None:
    for seed in SEEDS:
        document = copy.deepcopy(seed)
        container: Any
        for container in list(_containers(document)):
            is_object = isinstance(container, dict)
            for name in sorted(container) if is_object else range(len(container)):
                there = container[name]
                container[name] = scrap
                assert _verdict(document) == _verdict_of_rapidjson(document)
                container[name] = there


def test_anything_that_is_not_an_object_is_refused() -> None:
    for scrap in SCRAPS:
        assert _verdict(scrap) == "SchemaValidationError"


def test_details_may_nest_as_deep_as_a_text_can() -> None:
    document = copy.deepcopy(CREATE)
    document["outputs"][0]["condition"]["details"] = nested_details(240)
    assert _verdict(document) == "valid"


def _schema_texts() -> Iterator[tuple[str, Document, str]]:
    steps = json.loads((VECTORS / "golden_http.json").read_text())["steps"]
    head = "Invalid transaction schema: "
    for step in steps:
        body = step.get("response", {}).get("body") or ""
        if f'"message":"{head}' in body:
            text = json.loads(body)["message"].removeprefix(head)
            yield step["name"], json.loads(step["request"]["body"]), text


@pytest.mark.parametrize(
    "document, text",
    [pytest.param(*case, id=name) for name, *case in _schema_texts()],
)
def test_texts_are_those_of_jsonschema(document: Document, text: str) -> None:
    with pytest.raises(SchemaValidationError) as caught:
        check(document)
    # Quoted values are cut somewhere, and these are long.
    assert str(caught.value)[:900] == text[:900]


@pytest.mark.parametrize("seed", [CREATE, TRANSFER])
def test_an_input_says_what_it_fulfills(seed: Document) -> None:
    document = copy.deepcopy(seed)
    del document["inputs"][0]["fulfills"]
    with pytest.raises(SchemaValidationError, match="'fulfills' is a required"):
        check(document)


@pytest.mark.parametrize("operation", ELECTIONS)
def test_an_election_looks_like_a_create_and_a_vote_like_a_transfer(
    operation: str,
) -> None:
    like, unlike = (TRANSFER, CREATE) if operation == VOTE else (CREATE, TRANSFER)
    check({**like, "operation": operation})
    with pytest.raises(SchemaValidationError):
        check({**unlike, "operation": operation})
    assert (operation in CREATING) == (like is CREATE)
    assert operation not in PLAIN


def test_long_values_are_quoted_in_part() -> None:
    with pytest.raises(SchemaValidationError, match="is not of type 'array'") as caught:
        check({**CREATE, "inputs": "x" * 1_000_000})
    assert len(str(caught.value)) < 2_000
