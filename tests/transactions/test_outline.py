"""Reading accepted transactions again: the same rows as before, and nothing else passes."""

from __future__ import annotations

import json

import pytest

from scripts.signing import create, encode, seal, transfer
from tests.ledger.chains import ALICE, BOB
from trio_stream.ledger.rows import rows_of
from trio_stream.transactions import outline
from trio_stream.transactions.errors import InvalidHash, ValidationError
from trio_stream.transactions.model import parse
from trio_stream.transactions.outline import kept_uris, read_outline

ASSET = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], metadata={"h": 1})


@pytest.mark.parametrize("document", [ASSET, transfer(ASSET, ALICE)])
def test_it_reads_what_the_model_reads(document) -> None:
    raw = encode(document)
    read = read_outline(raw)
    rows = rows_of(parse(raw), 0, b"")
    assert read.document == document
    for name in ("id", "asset_id", "operation", "outputs", "spends", "keys"):
        assert getattr(read, name) == getattr(rows, name)


def test_conditions_of_keys_are_remembered_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outline, "KEPT", 1)
    kept_uris.clear()
    for document in (create(ALICE), create(BOB), create(BOB), create(ALICE)):
        raw = encode(document)
        assert read_outline(raw).outputs == rows_of(parse(raw), 0, b"").outputs
        assert len(kept_uris) == 1


def test_a_condition_of_several_keys_is_read() -> None:
    key = {"type": "ed25519-sha-256", "public_key": ALICE.public}
    two = {"type": "threshold-sha-256", "threshold": 2, "subconditions": [key, key]}
    none = {**two, "threshold": 3}
    document = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])
    for output, details in zip(document["outputs"], (two, none), strict=True):
        output["condition"]["details"] = details
    (_, first), (_, second) = read_outline(encode(seal(document))).outputs
    assert first is not None and "threshold-sha-256" in first
    assert second is None


def test_contents_that_have_another_id_are_refused() -> None:
    changed = {**ASSET, "metadata": {"h": 2}}
    with pytest.raises(InvalidHash, match="its contents have the id [0-9a-f]{64}"):
        read_outline(encode(changed))


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
        read_outline(encode(document))


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"[]", b"\xff", b"{}"])
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        read_outline(raw)


def test_members_that_are_absent_are_refused() -> None:
    for name in ("asset", "inputs", "operation", "outputs"):
        document = json.loads(encode(ASSET))
        del document[name]
        with pytest.raises(ValidationError):
            read_outline(encode(seal(document)))
