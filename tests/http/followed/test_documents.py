"""What a follower says of its API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.followed.rooms import EMPTY, SUMMARY
from trio_stream.http.followed.documents import Documents
from trio_stream.log.followed.lookups import LogSummary

STREAMS = "ws://here:9985/api/v1/streams/transactions"
DOCUMENTS = Documents(["transactions", "blocks"], STREAMS, json_rpc=True)


def api_root(documents: Documents, log: LogSummary = SUMMARY) -> Any:
    return json.loads(documents.api_root(log))


def test_the_index_says_what_this_is_and_where_things_are() -> None:
    index = api_root(DOCUMENTS)
    assert index["kind"] == "follower"
    assert (index["chain_id"], index["oldest"]) == ("made", 5)
    assert index["streams"] == STREAMS
    assert index["server_sent_events"] == ["/streams/transactions", "/streams/blocks"]
    assert index["status"] == "/status"
    assert index["json_rpc"] == "/"
    assert "BigchainDB's routes" in index["absent"]


def test_a_chain_that_is_not_known_yet_and_no_json_rpc() -> None:
    documents = Documents(["transactions"], STREAMS, json_rpc=False)
    index = api_root(documents, EMPTY)
    assert index["chain_id"] is None
    assert index["oldest"] is None
    assert "json_rpc" not in index


def test_the_root_has_it_too_with_whole_paths() -> None:
    root = json.loads(DOCUMENTS.root(SUMMARY))
    assert root["software"] == "trio_stream"
    index = root["api"]["v1"]
    assert index["blocks"] == "/api/v1/blocks/"
    assert index["server_sent_events"][1] == "/api/v1/streams/blocks"
    assert index["openapi"] == "/api/v1/openapi.json"
    assert index.keys() == api_root(DOCUMENTS).keys()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/assets", "/api/v1/assets of"),
        ("/api/v1/validators/", "/api/v1/validators of"),
        ("/api/v1/elections/12", "/api/v1/elections of"),
        ("/api/v1/transactions", "/api/v1/transactions with parameters of"),
        ("/api/v1/blocks/", "/api/v1/blocks with parameters of"),
    ],
)
def test_who_asks_for_bigchaindbs_routes_is_told(path: str, named: str) -> None:
    answer = DOCUMENTS.no_such_path(path)
    said = json.loads(answer.body)
    assert (answer.status, said["status"]) == (404, 404)
    assert f"{named} BigchainDB's API is not here" in said["message"]


def test_who_asks_for_another_stream_is_told_which_there_are() -> None:
    answer = DOCUMENTS.no_such_path("/api/v1/streams/valid_transactions")
    said = json.loads(answer.body)
    assert (answer.status, said["error"]) == (404, "unknown_stream")
    assert said["message"].endswith("'valid_transactions'; it has transactions, blocks")


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/api", "/assets"])
def test_nothing_else_is_there(path: str) -> None:
    answer = DOCUMENTS.no_such_path(path)
    assert (answer.status, json.loads(answer.body)["message"]) == (404, "Not found")
