"""The rows that the log is handed for an accepted transaction."""

from __future__ import annotations

import json
from hashlib import sha256

from scripts.signing import create, encode, transfer
from tests.conftest import VECTORS
from tests.ledger.chains import ALICE, BOB
from tests.transactions.documents import raw_of
from trio_stream.ledger.block import AcceptedTransaction
from trio_stream.ledger.rows import rows_of
from trio_stream.transactions.model import parse
from trio_stream.transactions.owners import OWNER_BEFORE


def rows(document: dict[str, object]) -> AcceptedTransaction:
    raw = encode(document)
    return rows_of(parse(raw), 7, sha256(raw).digest())


def test_the_json_need_not_be_read_twice() -> None:
    for path in sorted(VECTORS.glob("v[0-9]*.json")):
        raw = raw_of(json.loads(path.read_text()))
        transaction = parse(raw)
        rows = rows_of(transaction, 7, b"")
        assert rows_of(transaction, 7, b"", transaction.value) == rows


def test_a_create_is_its_own_asset_and_spends_nothing() -> None:
    document = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)], data={"a": "fox"})

    found = rows(document)

    assert (found.index, found.raw) == (7, encode(document))
    assert found.sha256 == sha256(found.raw).digest()
    assert found.id == found.asset_id == document["id"]
    assert found.operation == "CREATE"
    uris = [each["condition"]["uri"] for each in document["outputs"]]
    assert found.outputs == [(1, uris[0]), (2, uris[1])]
    assert found.spends == []
    assert found.keys == [
        (ALICE.public, OWNER_BEFORE, 0),
        (ALICE.public, 0, 1),
        (BOB.public, 1, 1),
    ]
    assert found.text == ("fox", None)


def test_a_transfer_names_its_asset_and_what_it_spends() -> None:
    asset = create(ALICE, recipients=[(ALICE, 1), (BOB, 2)])
    found = rows(transfer(asset, BOB, output_index=1, metadata={"a": "hare"}))
    assert (found.operation, found.asset_id) == ("TRANSFER", asset["id"])
    assert found.spends == [(asset["id"], 1)]
    assert found.text == (None, "hare")


def test_an_output_that_nobody_can_spend_has_no_condition() -> None:
    name = "q08_create_threshold_larger_than_subconditions"
    document = json.loads((VECTORS / f"{name}.json").read_text())["transaction"]
    assert rows(document).outputs[0][1] is None
