"""Which of BigchainDB's paths is answered by what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
import trio

from trio_stream.http.answers import NOT_FOUND, HttpAnswer
from trio_stream.http.bigchaindb import OPENAPI, bigchaindb_routes
from trio_stream.http.pages import Lookups
from trio_stream.http.reads import CheckOutcomes
from trio_stream.http.routes import Get, Routes
from trio_stream.http.submit import Submission
from trio_stream.log.elections import Standing
from trio_stream.log.lookups import Cursor, TransactionsPage
from trio_stream.stream.selection import Stream
from trio_stream.transactions.elections import Validator

ID = "a" * 64


class Log:
    """Says what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    async def transaction(self, transaction_id: str) -> bytes | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(transaction_id)
        return None

    async def block(self, height: int, *, after: Cursor) -> TransactionsPage | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(height)
        return TransactionsPage([], None)

    async def election(self, election_id: str) -> Standing | None:
        await trio.lowlevel.checkpoint()
        self.asked.append(election_id)
        return None

    async def validators(self) -> list[Validator]:
        await trio.lowlevel.checkpoint()
        self.asked.append("validators")
        return []


async def inline(
    work: Callable[[], object], *, limiter: trio.CapacityLimiter
) -> object:
    """Runs in this thread what would run in another one."""
    async with limiter:
        return work()


def made_over(log: Log, observed: Mapping[str, Get] | None = None) -> Routes:
    return bigchaindb_routes(
        cast(Lookups, log),
        cast(CheckOutcomes, None),
        cast(Submission, None),
        run_sync=inline,
        streams_url="ws://node/streams",
        observed=observed,
    )


async def find(log: Log, path: str, query: bytes = b"") -> Any:
    routes = made_over(log)
    coming = routes.find(path, query)
    return None if coming is None else await coming


@pytest.mark.parametrize(
    "name",
    ["transactions", "outputs", "blocks", "assets", "metadata", "statuses"],
)
async def test_what_takes_parameters_is_found_with_a_slash_and_without(
    name: str,
) -> None:
    for path in (f"/api/v1/{name}", f"/api/v1/{name}/"):
        answer = await find(Log(), path)
        assert isinstance(answer, HttpAnswer)
        assert answer.status == 400
        assert b"Missing required parameter" in answer.body


async def test_what_is_named_by_its_path_is_found() -> None:
    log = Log()
    assert await find(log, f"/api/v1/transactions/{ID}") is NOT_FOUND
    assert json.loads((await find(log, "/api/v1/validators")).body) == []
    answer = await find(log, "/api/v1/blocks/007")
    assert json.loads(answer.body) == {"height": 7, "transactions": []}
    assert await find(log, f"/api/v1/elections/{ID}") is NOT_FOUND
    assert log.asked == [ID, "validators", 7, ID]


async def test_what_is_asked_about_the_node_is_answered_as_it_is() -> None:
    async def state(query: bytes) -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        return HttpAnswer(200, query)

    routes = made_over(Log(), {"/api/v1/status": state})
    for path in ("/api/v1/status", "/api/v1/status/"):
        coming = routes.find(path, b"q")
        assert coming is not None
        assert await coming == HttpAnswer(200, b"q")


@pytest.mark.parametrize("digits", [str(2**63), "9" * 5000])
async def test_a_height_that_no_block_can_have_is_not_looked_up(digits: str) -> None:
    log = Log()
    assert await find(log, f"/api/v1/blocks/{digits}") is NOT_FOUND
    assert not log.asked


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/nothing",
        f"/api/v1/transactions/{ID}/",
        "/api/v1/blocks/7/",
        "/api/v1/elections",
        f"/api/v1/elections/{ID}/",
        "/api/v1/blocks/seven",
        "/api/v1/events",
    ],
)
async def test_other_paths_are_not_found(path: str) -> None:
    log = Log()
    assert await find(log, path) is None
    assert not log.asked


async def test_the_documents_are_found() -> None:
    index = await find(Log(), "/api/v1")
    assert json.loads(index.body)["streams"] == "ws://node/streams"
    assert await find(Log(), "/api/v1/") == index
    description = await find(Log(), "/api/v1/openapi.json")
    assert description.body == OPENAPI.read_bytes()
    assert json.loads((await made_over(Log()).root()).body)["software"] == "BigchainDB"


def test_transactions_are_posted_and_nothing_else() -> None:
    assert set(made_over(Log()).posts) == {
        "/api/v1/transactions",
        "/api/v1/transactions/",
    }


def test_the_streams_are_named() -> None:
    assert set(made_over(Log()).streams) == {each.value for each in Stream}
