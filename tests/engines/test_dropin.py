"""A follower answers a program that speaks the engine's JSON-RPC as the engine itself does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from scripts import http_client
from scripts.daemon_process import RunningDaemon, run_daemon
from scripts.engines.build import Release
from scripts.engines.process import RunningEngine
from scripts.follower_process import FollowerSettings
from tests.engines.site import PATIENCE
from tests.engines.test_cometbft import (
    BATCHES,
    NEWER,
    QUERIES,
    Frame,
    committed,
    generation_of,
    height_of,
    key_value_store,
    subscribed,
    take,
    told_all,
    unordered,
    until_not_given_up,
    within,
)
from trio_stream.cometbft.queries import Generation

pytestmark = pytest.mark.engine


@asynccontextmanager
async def following(
    engine: Release, folder: Path
) -> AsyncIterator[tuple[RunningEngine, RunningDaemon]]:
    """An engine, and a follower that is as far as the engine is."""
    async with key_value_store(engine, folder) as running:
        node = f"http://127.0.0.1:{running.rpc.port}"
        settings = FollowerSettings(home=folder / "follower", node=[node])
        async with run_daemon(settings) as follower:
            yield running, follower


def websocket_of(follower: RunningDaemon) -> str:
    return f"ws://127.0.0.1:{follower.api_port}/websocket"


def queries_of(engine: Release) -> list[str]:
    if engine.name.startswith("tendermint-0.31"):
        # One client has room for five, and keys have one value each.
        return QUERIES[:5]
    return QUERIES + NEWER * (generation_of(engine) is Generation.FROM_0_38)


async def test_frames_are_those_of_the_engine(engine: Release, tmp_path: Path) -> None:
    await until_not_given_up(frames_are_those_of_the_engine, engine, tmp_path)


async def frames_are_those_of_the_engine(engine: Release, folder: Path) -> None:
    queries = queries_of(engine)
    async with following(engine, folder) as (running, follower):
        theirs = f"ws://127.0.0.1:{running.rpc.port}/websocket"
        async with (
            # The oldest release gives a client up that takes no frame for a moment.
            open_websocket_url(theirs, message_queue_size=1_000) as at_engine,
            open_websocket_url(websocket_of(follower)) as here,
        ):
            both = [(at_engine, await subscribed(at_engine, queries))]
            both.append((here, await subscribed(here, queries)))
            before = await running.rpc.height()
            for batch in BATCHES:
                for tx in batch:
                    await running.rpc.broadcast("sync", tx)
                await committed(running, batch[-1])
            told = sum(map(len, BATCHES))
            for client, frames in both:
                with trio.fail_after(PATIENCE):
                    while len(frames[queries[0]]) < told:
                        await take(client, frames)
            last = max(map(height_of, both[1][1][queries[0]]))
            # The block after the last transaction is told of too by then.
            await running.rpc.broadcast("sync", b"last=1")
            for client, frames in both:
                with trio.fail_after(PATIENCE):
                    while max(map(height_of, frames[queries[0]])) <= last:
                        await take(client, frames)
                await told_all(client, frames)
            heights = range(before + 1, last + 1)
            for text in queries:
                at_theirs, at_ours = (within(heights, each[text]) for _, each in both)
                assert unordered(at_ours) == unordered(at_theirs), text
            assert len(within(heights, both[1][1][queries[0]])) == told
        await resumes(follower, heights, both[1][1])


async def resumes(
    follower: RunningDaemon, heights: range, live: dict[str, list[Frame]]
) -> None:
    """A client that comes again and again, each time for one frame, loses none."""
    text = QUERIES[0]
    expected = within(heights, live[text])
    after, found = str(heights[0] - 1), list[Frame]()
    while len(found) < len(expected):
        async with open_websocket_url(websocket_of(follower)) as client:
            await ask(client, "subscribe", {"query": text, "after": after})
            told = json.loads(await client.get_message())["result"]
        after = told.pop("position")
        found.append(told)
    assert found == expected


CALLS: list[tuple[str, Any]] = [
    ("subscribe", {"query": "tm.event='Tx'"}),
    ("subscribe", {"query": "tm.event='Tx'"}),
    ("subscribe", {"query": "tm.event = 'Tx'"}),
    ("subscribe", ["tm.event='NewBlock'"]),
    ("subscribe", {"query": 5}),
    ("subscribe", []),
    ("subscribe", "tm.event='Tx'"),
    ("unsubscribe", {"query": "tm.event='Never'"}),
    ("unsubscribe", {"query": "tm.event  =  'Tx'"}),
    ("unsubscribe", {"query": "tm.event='Tx'"}),
    ("unsubscribe_all", {}),
    ("unsubscribe_all", {}),
    ("unsubscribe_all", 5),
    ("no_such", {}),
    ("health", {}),
    ("block", {"height": "1"}),
    ("block", {"height": "x"}),
    ("block", {"height": "999999"}),
    ("genesis", {}),
    ("tx_search", {"query": "tx.height=1"}),
]
MESSAGES = [
    '{"jsonrpc":"2.0","id":"","method":"subscribe"}',
    '{"jsonrpc":"2.0","id":1,"method":"unsubscribe"}',
    '{"JSONRPC":"2.0","ID":45,"Method":"health"}',
    '{"id":-1,"method":"health"}',
    '{"id":1e3,"method":"health"}',
    '{"jsonrpc":"2.0","id":true,"method":"health"}',
    '{"jsonrpc":2,"id":1,"method":"health"}',
    "nonsense",
    "[]",
    "",
]


async def test_answers_are_those_of_the_engine(engine: Release, tmp_path: Path) -> None:
    async with following(engine, tmp_path) as (running, follower):
        await running.rpc.broadcast("sync", b"a=1")
        await committed(running, b"a=1")
        theirs = f"ws://127.0.0.1:{running.rpc.port}/websocket"
        async with (
            open_websocket_url(theirs, message_queue_size=1_000) as at_engine,
            open_websocket_url(websocket_of(follower)) as here,
        ):
            for number, (method, params) in enumerate(CALLS):
                answers = [
                    await ask(client, method, params, f"id-{number}")
                    for client in (at_engine, here)
                ]
                assert alike(answers[1]) == alike(answers[0]), (method, params)
            for message in MESSAGES:
                if '"id":""' in message and engine.name < "tendermint-0.33":
                    continue
                answers = []
                for client in (at_engine, here):
                    await client.send_message(message)
                    answers.append(await said(client))
                assert alike(answers[1]) == alike(answers[0]), message
        for method, target, body in (
            ("GET", "/health", b""),
            ("GET", "/block?height=1", b""),
            ("GET", "/block?height=999999", b""),
            ("GET", "/subscribe?query=%22a%22", b""),
            ("GET", "/no_such", b""),
            ("POST", "/", b'{"id":1,"method":"health"}'),
            ("POST", "/", b'{"id":1,"method":"subscribe","params":["a.b=1"]}'),
            ("POST", "/", b'[{"id":1,"method":"health"},{"id":"a","method":"nope"}]'),
        ):
            said_by_engine, said_here = [
                await http_client.fetch("127.0.0.1", port, method, target, body)
                for port in (running.rpc.port, follower.api_port)
            ]
            assert said_here.status == said_by_engine.status, target
            assert said_here.body == said_by_engine.body, target
            kinds = [
                each.headers["content-type"] for each in (said_here, said_by_engine)
            ]
            assert kinds[0] == kinds[1]


def alike(answer: Any) -> Any:
    """What is compared of an answer: of why a message is unreadable, the beginning alone."""
    error = answer.get("error")
    if error and error["code"] == -32700:
        answer["error"]["data"] = error["data"].partition(":")[0]
    if error and "expected 0 parameters" in error.get("data", ""):
        answer["error"]["data"] = error["data"].partition("(")[0]
    if error and "expected 1 parameters" in error.get("data", ""):
        answer["error"]["data"] = error["data"].partition("(")[0]
    return answer


async def ask(
    client: WebSocketConnection, method: str, params: object, id: str = "a"
) -> Any:
    request = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    await client.send_message(json.dumps(request))
    return await said(client)


async def said(client: WebSocketConnection) -> Any:
    """The next message that answers something, and is no frame."""
    with trio.fail_after(PATIENCE):
        while True:
            message = json.loads(await client.get_message())
            result = message.get("result") or {}
            if "data" not in result:
                return message
