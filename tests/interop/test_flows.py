"""An application that was written for BigchainDB runs against the daemon as it is.

Each driver's program is run once on each engine; the tests look at its steps one by one. What the
programs send is not known here: they report it, and the blocks have to agree.
"""

from __future__ import annotations

from typing import Any

import pytest

from scripts import signing
from tests.interop.conftest import Run, events_of
from tests.interop.drivers import SEEDS

pytestmark = [pytest.mark.engine, pytest.mark.interop]

ENGINES = ("cometbft-0.38.26", "tendermint-0.34.24")

PUBLIC = {
    name: signing.Key.from_seed(bytes.fromhex(seed)).public
    for name, seed in SEEDS.items()
}


def check_sent(run: Run, step: dict[str, Any]) -> dict[str, Any]:
    """A transaction that was sent is answered, committed and shown as it is; that one."""
    sent: dict[str, Any] = step["sent"]
    assert sent["id"] == signing.seal({**sent})["id"]
    assert step["answered"] == sent
    assert step["retrieved"] == sent
    assert run.documents.count(sent) == 1
    return sent


def test_connects(run: Run) -> None:
    connected = run.steps["connect"]
    if run.driver == "python":
        assert connected["info"]["version"] == "2.2.2"
        assert connected["info"]["api"]["v1"]["transactions"] == "/api/v1/transactions/"
        assert connected["api_info"]["transactions"] == "/transactions/"
        streams = connected["api_info"]["streams"]
        assert streams.endswith("/api/v1/streams/valid_transactions")
    else:
        assert connected == {"protocol": ""}


@pytest.mark.parametrize("mode", ["async", "sync", "commit"])
def test_a_transaction_is_sent_and_retrieved_in_each_mode(run: Run, mode: str) -> None:
    sent = check_sent(run, run.steps[f"send_{mode}"])
    assert sent["asset"]["data"] == {"bird": "quetzal", "sent": mode}


def test_an_asset_is_transferred(run: Run) -> None:
    sent = check_sent(run, run.steps["transfer"])
    assert sent["operation"] == "TRANSFER"
    assert sent["outputs"][0]["public_keys"] == [PUBLIC["bob"]]


def test_a_divisible_asset_is_split_and_joined(run: Run) -> None:
    steps = run.steps["divisible"]
    sent = [check_sent(run, steps[name]) for name in ("created", "split", "joined")]
    amounts = [[output["amount"] for output in each["outputs"]] for each in sent]
    assert amounts == [["10"], ["4", "3", "3"], ["6"]]


def test_an_asset_of_two_owners_is_spent_by_both(run: Run) -> None:
    steps = run.steps["both_owners"]
    for name in ("created", "spent"):
        check_sent(run, steps[name])
    owners = steps["spent"]["sent"]["inputs"][0]["owners_before"]
    assert owners == [PUBLIC["alice"], PUBLIC["bob"]]


def test_two_of_three_owners_can_spend_and_one_cannot(run: Run) -> None:
    steps = run.steps["two_of_three"]
    created = check_sent(run, steps["created"])
    assert created["outputs"][0]["condition"]["details"]["threshold"] == 2
    check_refused(run, steps["one_signature"], 400, "(InvalidSignature)")
    check_sent(run, steps["spent"])


def check_refused(run: Run, refusal: dict[str, Any], status: int, text: str) -> None:
    assert refusal["status"] == status
    if run.driver == "python":
        assert text in refusal["message"]
    else:
        # The JavaScript driver keeps no body of an error.
        phrase = {400: "BAD REQUEST", 404: "NOT FOUND"}[status]
        assert refusal["line"].upper() == f"{status} {phrase}"


@pytest.mark.parametrize(
    ("step", "status", "text"),
    [
        ("double_spend", 400, "(DoubleSpend)"),
        ("sent_again", 400, "(DuplicateTransaction)"),
        ("tampered", 400, "(InvalidHash)"),
        ("missing", 404, "Not found"),
    ],
)
def test_an_error_reaches_the_application(
    run: Run, step: str, status: int, text: str
) -> None:
    check_refused(run, run.steps[step], status, text)


@pytest.mark.parametrize("owner", PUBLIC)
def test_outputs_of_a_key_are_listed(run: Run, owner: str) -> None:
    listed = run.steps["outputs"][owner]
    owned = [
        {"transaction_id": document["id"], "output_index": index}
        for document in run.documents
        for index, output in enumerate(document["outputs"])
        if PUBLIC[owner] in output["public_keys"]
    ]
    spent = [
        each["fulfills"] for document in run.documents for each in document["inputs"]
    ]
    assert listed == {
        "all": owned,
        "spent": [link for link in owned if link in spent],
        "unspent": [link for link in owned if link not in spent],
    }
    if owner == "dave":
        assert owned == []


def test_transactions_of_an_asset_are_listed(run: Run) -> None:
    steps = run.steps["divisible"]
    created, split, joined = (
        steps[name]["sent"] for name in ("created", "split", "joined")
    )
    listed = run.steps["transactions"]
    assert listed["create"] == [created]
    assert listed["transfer"] == [split, joined]
    assert sorted(each["id"] for each in listed["all"]) == sorted(
        each["id"] for each in (created, split, joined)
    )


@pytest.mark.parametrize("subject", ["assets", "metadata"])
def test_assets_and_metadata_are_searched(run: Run, subject: str) -> None:
    results = run.steps[f"search_{subject}"]
    sent = [run.steps[f"send_{mode}"]["sent"] for mode in ("async", "sync", "commit")]
    if subject == "assets":
        wanted = [{"data": each["asset"]["data"], "id": each["id"]} for each in sent]
    else:
        wanted = [{"id": each["id"], "metadata": each["metadata"]} for each in sent]

    def by_id(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(found, key=lambda each: str(each["id"]))

    assert by_id(results["found"]) == by_id(wanted)
    assert len(results["limited"]) == 2
    assert all(each in wanted for each in results["limited"])
    assert results["none"] == []


def test_the_block_of_a_transaction_is_found(run: Run) -> None:
    height = run.steps["height"]
    assert run.steps["transfer"]["sent"] in run.blocks[height]


def test_the_block_of_an_event_is_retrieved(run: Run) -> None:
    block = run.steps["block"]
    transactions = run.blocks[block["height"]]
    assert block == {"height": block["height"], "transactions": transactions}
    assert run.steps["transfer"]["sent"] in transactions


def test_the_stream_has_each_transaction_once_in_order(run: Run) -> None:
    assert run.steps["stream"] == run.events
    assert run.events == events_of(run.blocks)


def test_nothing_else_was_committed(run: Run) -> None:
    # Three sends, a transfer, three of the divisible asset, two of each shared one.
    assert len(run.documents) == 11
