from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scripts.signing import create, encode, seal, sign, transfer
from tests.transactions.documents import (
    ALICE,
    BOB,
    VALID,
    nested_details,
    raw_of,
    sealed,
    vector,
    with_details,
)
from trio_stream.transactions import errors
from trio_stream.transactions.fulfillments import Unsigned
from trio_stream.transactions.model import Link, Transaction, parse


def _refusal(raw: bytes) -> tuple[str, str]:
    with pytest.raises(errors.ValidationError) as caught:
        parse(raw)
    return type(caught.value).__name__, str(caught.value)


def test_a_create_is_read() -> None:
    document = create(ALICE, recipients=[(ALICE, 3), (BOB, 4)], data={"a": 1})
    raw = encode(document)
    parsed = parse(raw)
    assert (parsed.id, parsed.operation) == (document["id"], "CREATE")
    assert parsed.asset_id == parsed.id
    assert parsed.raw is raw
    assert parsed.value == document
    (only,) = parsed.inputs
    assert (only.owners_before, only.fulfills) == ((ALICE.public,), None)
    assert only.fulfillment.validate(only.message)
    assert [output.amount for output in parsed.outputs] == [3, 4]
    assert [output.public_keys for output in parsed.outputs] == [
        (ALICE.public,),
        (BOB.public,),
    ]
    assert [output.condition_uri for output in parsed.outputs] == [
        output["condition"]["uri"] for output in document["outputs"]
    ]


def test_a_transfer_is_read() -> None:
    created = create(ALICE, recipients=[(ALICE, 3), (BOB, 4)])
    parsed = parse(encode(transfer(created, BOB, output_index=1)))
    assert parsed.operation == "TRANSFER"
    assert parsed.asset_id == created["id"] != parsed.id
    (only,) = parsed.inputs
    assert only.fulfills == Link(created["id"], 1)
    assert only.fulfillment.validate(only.message)


def test_keys_that_are_null_are_none() -> None:
    document = create(ALICE)
    document["outputs"][0]["public_keys"] = None
    assert parse(encode(seal(document))).outputs[0].public_keys == ()


@pytest.mark.parametrize("name", [name for name in VALID if name[:3] != "q12"])
def test_the_text_of_the_json_does_not_matter(name: str) -> None:
    document = vector(name)["transaction"]
    parsed = parse(json.dumps(document).encode())
    reordered = dict(reversed(document.items()))
    spelled = json.dumps(reordered, indent=2, ensure_ascii=False).encode()
    assert parse(spelled) == parsed._replace(raw=spelled)


@pytest.mark.parametrize("twins", [1, 2, 3])
def test_data_that_looks_like_a_fulfillment_is_signed_too(twins: int) -> None:
    # The signed text has null for fulfillments alone, wherever else their text stands.
    preimage = {"fulfillment": "oAKAAA"}
    document = create(ALICE, data={f"twin {n}": preimage for n in range(twins)})
    document["metadata"] = {'"fulfillment': "oAKAAA"}
    document["inputs"][0]["fulfillment"] = "oAKAAA"
    unsigned = parse(encode(seal(document)))
    (signed,) = parse(encode(sign(document, ALICE))).inputs
    assert unsigned.inputs[0].message == signed.message
    assert signed.fulfillment.validate(signed.message)


def test_every_input_has_a_message_of_its_own() -> None:
    spent = transfer(create(ALICE), ALICE)
    second = {"transaction_id": spent["id"], "output_index": 0}
    spent["inputs"].append({**spent["inputs"][0], "fulfills": second})
    parsed = parse(encode(sign(spent, ALICE, BOB)))
    messages = [each.message for each in parsed.inputs]
    assert messages[0] != messages[1]
    assert all(each.fulfillment.validate(each.message) for each in parsed.inputs)


def test_many_inputs_of_a_large_transaction_take_linear_time() -> None:
    # Hashing all of it for each input takes a quarter of a minute.
    document = transfer(create(ALICE), ALICE, metadata={"a": "x" * 500_000})
    (only,) = document["inputs"]
    document["inputs"] = [
        {**only, "fulfills": {**only["fulfills"], "output_index": index}}
        for index in range(5_000)
    ]
    parsed = parse(encode(seal(document)))
    assert len({each.message for each in parsed.inputs}) == 5_000


def test_the_id_covers_what_the_schema_forbids() -> None:
    document = {**create(ALICE), "foo": 1}
    assert _refusal(encode(document))[0] == "InvalidHash"
    assert _refusal(encode(seal(document))) == (
        "SchemaValidationError",
        "Additional properties are not allowed ('foo' was unexpected)",
    )


@pytest.mark.parametrize(
    "wrong", ["", "abc", 5, None, True, [], {}, "A" * 64, "\ud800", "x" * 9_000]
)
def test_a_wrong_id_is_refused(wrong: object) -> None:
    name, text = _refusal(encode({**create(ALICE), "id": wrong}))
    assert name == "InvalidHash"
    assert text.encode().startswith(b"The transaction's id '")


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"a"', b"null", b"true"])
def test_what_is_not_an_object_is_refused(raw: bytes) -> None:
    assert _refusal(raw) == ("MalformedTransaction", "not a JSON object")


@pytest.mark.parametrize("member", ["operation", "asset", "inputs", "metadata"])
def test_numbers_that_are_not_finite_are_refused_anywhere(member: str) -> None:
    document = {**create(ALICE), member: [float("nan"), float("inf")]}
    assert _refusal(encode(document))[0] == "MalformedTransaction"


def test_the_references_errors_come_before_ours() -> None:
    fatal = {"a": 2**63, "b": 5e-324}
    assert _refusal(encode({**create(ALICE), "metadata": fatal}))[0] == "InvalidHash"
    both = sealed(metadata=fatal, version="1.0")
    assert _refusal(encode(both))[0] == "SchemaValidationError"
    assert _refusal(encode(sealed(metadata=fatal)))[0] == "IntegerOutOfRange"


def test_depth_of_data_is_checked_after_the_structure() -> None:
    data: dict[str, Any] = {}
    for _ in range(100):
        data = {"a": data}
    assert _refusal(encode(sealed(metadata=data)))[0] == "NestingTooDeep"
    unstructured = sealed(metadata=data, version="1.0")
    assert _refusal(encode(unstructured))[0] == "SchemaValidationError"


def test_unsigned_details_are_read_as_details() -> None:
    document = create(ALICE)
    document["inputs"][0]["fulfillment"] = nested_details(2)
    assert isinstance(parse(encode(seal(document))).inputs[0].fulfillment, Unsigned)
    document["inputs"][0]["fulfillment"] = nested_details(100)
    assert _refusal(encode(seal(document))) == ("ThresholdTooDeep", "")


def test_inputs_are_read_before_outputs() -> None:
    document = with_details(nested_details(100))
    document["outputs"][0]["amount"] = "0"
    assert _refusal(encode(seal(document)))[0] == "ThresholdTooDeep"
    document["inputs"][0]["owners_before"] = None
    assert _refusal(encode(seal(document)))[0] == "SchemaValidationError"
    document["inputs"][0]["fulfillment"] = ""
    assert _refusal(encode(seal(document)))[0] == "InvalidSignature"


@pytest.mark.parametrize(
    "amount, refused",
    [("0", True), ("00", True), ("1", False), ("0001", False)]
    + [(str(9 * 10**18), False), (str(9 * 10**18 + 1), True)],
)
def test_amounts_are_bounded(amount: str, refused: bool) -> None:
    document = create(ALICE)
    document["outputs"][0]["amount"] = amount
    raw = encode(seal(document))
    if refused:
        assert _refusal(raw)[0] == "AmountError"
    else:
        assert parse(raw).outputs[0].amount == int(amount)


def _outcome(raw: bytes) -> Transaction | str:
    try:
        return parse(raw)
    except errors.ValidationError as error:
        str(error).encode()
        return type(error).__name__


@given(st.binary(max_size=200))
@example(b"")
@example(b'{"id": ' + b"9" * 10_000 + b"}")
@example(b'{"id": {"a": ' * 200)
def test_every_input_is_read_or_refused(raw: bytes) -> None:
    assert isinstance(_outcome(raw), str)


VECTORS = [raw_of(vector(name)) for name in VALID if vector(name)["name"] < "q14"]


@given(
    st.sampled_from(VECTORS),
    st.lists(st.tuples(st.integers(0, 9_999), st.binary(max_size=4)), max_size=3),
)
def test_every_change_of_bytes_is_read_or_refused(
    raw: bytes, changes: list[tuple[int, bytes]]
) -> None:
    for place, replacement in changes:
        place %= len(raw)
        raw = raw[:place] + replacement + raw[place + len(replacement) :]
    _outcome(raw)


LEAVES = st.sampled_from(
    [None, True, 0, -1, 2**64, 10**400, 1.5, float("nan"), "", "\ud800", "oAKAAA"]
    + [
        ALICE.public,
        nested_details(1),
        [],
        {},
        "2.0",
        "CREATE",
        "VOTE",
        [[[]]],
        "ogSgAKEA",
    ]
)


@given(
    st.sampled_from([name for name in VALID if name < "q14"]),
    st.lists(st.integers(0, 30), min_size=1, max_size=6),
    LEAVES,
)
def test_every_change_of_the_value_is_read_or_refused(
    name: str, path: list[int], leaf: object
) -> None:
    document = vector(name)["transaction"]
    place: Any = document
    for step in path:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        if not keys:
            break
        key = keys[step % len(keys)]
        if not isinstance(place[key], (dict, list)) or step == path[-1]:
            place[key] = leaf
            break
        place = place[key]
    _outcome(json.dumps(document).encode())
    try:
        _outcome(json.dumps(seal(document)).encode())
    except ValueError:
        pass  # it has no id: the sample signer cannot write it either


def test_a_document_without_an_id_is_refused() -> None:
    document = create(ALICE)
    del document["id"]
    assert _refusal(encode(document)) == ("InvalidHash", "No transaction id found!")
