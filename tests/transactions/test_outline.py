"""Reading accepted transactions again: the same rows as before, and nothing else passes."""

from __future__ import annotations

import json

import pytest

from scripts.signing import create, encode, seal, transfer
from tests.ledger.chains import ALICE, BOB
from trio_stream.transactions import outline
from trio_stream.transactions.errors import InvalidHash, ValidationError
from trio_stream.transactions.model import parse
from trio_stream.transactions.outline import Outlines

ASSET = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], metadata={"h": 1})


@pytest.mark.parametrize("document", [ASSET, transfer(ASSET, ALICE)])
def test_it_reads_what_the_model_reads(document) -> None:
    raw = encode(document)
    read, found = Outlines().read(raw)
    model = parse(raw)
    assert found == document
    assert read.raw == raw
    assert (read.id, read.operation, read.asset_id) == model[:3]
    assert read.outputs == model.outputs
    for ours, theirs in zip(read.inputs, model.inputs, strict=True):
        assert ours[:2] == theirs[:2]


def test_conditions_of_keys_are_remembered_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outline, "KEPT_URIS", 1)
    outlines = Outlines()
    for document in (ASSET, create(BOB), ASSET):
        raw = encode(document)
        assert outlines.read(raw).transaction.outputs == parse(raw).outputs


def test_a_condition_of_several_keys_is_read() -> None:
    key = {"type": "ed25519-sha-256", "public_key": ALICE.public}
    two = {"type": "threshold-sha-256", "threshold": 2, "subconditions": [key, key]}
    none = {**two, "threshold": 3}
    document = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])
    for output, details in zip(document["outputs"], (two, none), strict=True):
        output["condition"]["details"] = details
    first, second = Outlines().read(encode(seal(document))).transaction.outputs
    assert first.condition_uri is not None
    assert "threshold-sha-256" in first.condition_uri
    assert second.condition_uri is None


def test_contents_that_have_another_id_are_refused() -> None:
    changed = {**ASSET, "metadata": {"h": 2}}
    with pytest.raises(InvalidHash, match="its contents have the id [0-9a-f]{64}"):
        Outlines().read(encode(changed))


@pytest.mark.parametrize(
    "change",
    [
        {"asset": None},
        {"operation": 5, "inputs": 7},
        {"inputs": [{"fulfills": {"transaction_id": "x"}, "owners_before": []}]},
        {"inputs": [{}]},
        {"outputs": [{"public_keys": [], "amount": "many", "condition": {}}]},
        {"outputs": [{"public_keys": [], "amount": "1", "condition": {}}]},
    ],
)
def test_what_is_no_transaction_is_refused(change) -> None:
    document = seal({**ASSET, **change})
    with pytest.raises(ValidationError):
        Outlines().read(encode(document))


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[]", b"\xff", b"{}"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        Outlines().read(raw)


def test_members_that_are_absent_are_refused() -> None:
    for name in ("asset", "inputs", "operation", "outputs"):
        document = json.loads(encode(ASSET))
        del document[name]
        with pytest.raises(ValidationError):
            Outlines().read(encode(seal(document)))
