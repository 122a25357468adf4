from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.signing import create, encode, seal
from tests.conftest import VECTORS
from tests.transactions.documents import (
    ALICE,
    VALID,
    base64url,
    element,
    nested_details,
    raw_of,
    vector,
    with_details,
)
from trio_stream.transactions.model import parse
from trio_stream.transactions.shown import shown

# Shown otherwise than sent; of these two the reference shows nothing at all: q08, which
# it cannot compute, and q14, which it never finishes.
QUIRKS = {
    "q04_create_uri_does_not_match_details",
    "q05_create_amount_leading_zeros",
    "q06_create_fulfillment_trailing_bytes",
    "q07_create_fulfillment_non_minimal_der_length",
    "q08_create_threshold_larger_than_subconditions",
    "q14_threshold_depth_99",
}


def _recorded() -> Iterator[tuple[str, bytes, str]]:
    """Each GET of a transaction in the recording, with the bytes that were posted."""
    posted: dict[str, bytes] = {}
    for step in json.loads((VECTORS / "golden_http.json").read_text())["steps"]:
        for request in step.get("requests", [step.get("request", {})]):
            if request.get("method") == "POST" and '"id"' in request.get("body", ""):
                document = json.loads(request["body"])
                posted[document["id"]] = encode(document)
        body = step.get("response", {}).get("body", "")
        name = step.get("request", {}).get("path", "").rpartition("/")[2]
        if name in posted and body.startswith('{"inputs": '):
            yield step["name"], posted[name], body


RECORDED = list(_recorded())


def test_the_recording_holds_quirks_and_elections() -> None:
    names = {name for name, _, _ in RECORDED}
    assert len(RECORDED) >= 13
    assert {"amount_leading_zeros_get", "election_get", "vote_get"} <= names


@pytest.mark.parametrize(
    "raw, body", [pytest.param(*case, id=name) for name, *case in RECORDED]
)
def test_documents_are_shown_as_the_reference_shows_them(raw: bytes, body: str) -> None:
    assert json.dumps(shown(raw)) + "\n" == body


@pytest.mark.parametrize("name", sorted(set(VALID) - QUIRKS))
def test_ordinary_documents_are_shown_as_sent(name: str) -> None:
    recorded = vector(name)
    assert shown(raw_of(recorded)) == recorded["transaction"]


def test_members_have_one_order() -> None:
    document = vector("v13_transfer_spend_nested_via_alice")["transaction"]
    reordered = json.dumps(document, sort_keys=True).encode()
    assert json.dumps(shown(reordered)) == json.dumps(shown(encode(document)))


def _shown(document: dict[str, Any]) -> Any:
    raw = encode(document)
    parse(raw)
    return shown(raw)


def test_an_amount_loses_its_zeros_and_the_id_stays() -> None:
    document = vector("q05_create_amount_leading_zeros")["transaction"]
    assert _shown(document)["outputs"][0]["amount"] == "7"
    assert _shown(document)["id"] == document["id"]


@pytest.mark.parametrize(
    "name",
    [
        "q06_create_fulfillment_trailing_bytes",
        "q07_create_fulfillment_non_minimal_der_length",
    ],
)
def test_a_fulfillment_is_shown_in_canonical_form(name: str) -> None:
    document = vector(name)["transaction"]
    text = _shown(document)["inputs"][0]["fulfillment"]
    assert text != document["inputs"][0]["fulfillment"]
    assert len(text) == len(create(ALICE)["inputs"][0]["fulfillment"])


def test_the_parts_of_a_fulfillment_are_shown_in_order() -> None:
    parts = [element(0xA0, element(0x80, bytes([n]))) for n in (2, 1, 3)]
    document = create(ALICE)
    mixed, ordered = (
        base64url(element(0xA2, element(0xA0, *order), element(0xA1)))
        for order in (parts, sorted(parts))
    )
    document["inputs"][0]["fulfillment"] = mixed
    assert _shown(seal(document))["inputs"][0]["fulfillment"] == ordered != mixed


def test_a_key_is_shown_without_its_white_space() -> None:
    details = {"type": "ed25519-sha-256", "public_key": f"{ALICE.public}\n "}
    condition = _shown(with_details(details))["outputs"][0]["condition"]
    assert condition["details"]["public_key"] == ALICE.public


def test_the_uri_is_that_of_the_details() -> None:
    document = vector("q04_create_uri_does_not_match_details")["transaction"]
    condition = document["outputs"][0]["condition"]
    assert _shown(document)["outputs"][0]["condition"]["uri"] != condition["uri"]


def test_a_uri_that_cannot_be_computed_is_shown_as_sent() -> None:
    document = vector("q08_create_threshold_larger_than_subconditions")["transaction"]
    assert _shown(document) == document


def test_the_deepest_details_are_shown() -> None:
    document = with_details(nested_details(99))
    details = _shown(document)["outputs"][0]["condition"]["details"]
    assert details == nested_details(99)
