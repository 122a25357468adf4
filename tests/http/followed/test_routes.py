"""Which of a follower's paths is answered by what."""

from __future__ import annotations

import json

import pytest
import trio

from tests.http.followed.rooms import DIGEST, Log
from trio_stream.feeds.selection import Feed
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.routes import FOLLOWER_OPENAPI, followed_routes
from trio_stream.http.plain import Plain
from trio_stream.http.routes import Coming, Others, Routes

STREAMS = "ws://here:9985/api/v1/streams/transactions"


async def state(query: bytes) -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return HttpAnswer(200, query)


def routes(others: Others | None = None) -> Routes:
    return followed_routes(
        Log(), streams_url=STREAMS, observed={"/api/v1/status": state}, others=others
    )


async def body(path: str) -> bytes:
    coming = routes().find(path, b"q")
    assert coming is not None
    answer = await coming
    assert isinstance(answer, HttpAnswer)
    return answer.body


async def test_what_is_there() -> None:
    assert json.loads((await routes().root()).body)["software"] == "trio_stream"
    assert json.loads(await body("/api/v1/"))["chain_id"] == "made"
    assert await body("/api/v1/openapi.json") == FOLLOWER_OPENAPI.read_bytes()
    assert await body("/api/v1/status") == b"q"
    assert await body("/api/v1/blocks/6") == b'{"height": 6}\n'
    assert await body(f"/api/v1/transactions/{DIGEST.hex()}") == b'{"index": 0}\n'
    assert set(routes().streams) == {each.value for each in Feed}


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v1/transactions", "/api/v1/blocks", "/api/v1/blocks/x"]
    + ["/api/v1/assets", "/api/v1/validators", "/status"],
)
def test_what_is_not(path: str) -> None:
    assert routes().find(path, b"") is None


def test_without_json_rpc_nothing_is_posted() -> None:
    made = routes()
    assert not made.posts
    assert made.others is None
    assert b"is not here" in made.no_such_path("/api/v1/outputs").body


async def test_json_rpc_is_posted_to_the_root_and_asked_for_by_name() -> None:
    def others(request: Plain) -> Coming | None:
        known = request.method == "POST" or request.path == "/status"
        return state(request.body or request.query) if known else None

    made = routes(others)
    assert made.others is others
    assert set(made.posts) == {"/"}
    posted = Plain("POST", "/", b"", "application/json", None, b"{}")
    assert (await made.posts["/"](posted)).body == b"{}"
    index = made.find("/api/v1", b"")
    assert index is not None
    answer = await index
    assert isinstance(answer, HttpAnswer)
    assert json.loads(answer.body)["json_rpc"] == "/"
