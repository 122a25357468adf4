"""The messages and answers that the manual shows are those that a node sends.

A node with the blocks of the examples is asked for each; what it says must have the members, in
order, of what is printed. Texts must be the same, but for what a `…` stands for and for times.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from scripts.signing import create, encode, transfer
from tests import manual
from tests.instant_node import InstantNode, instant_node
from tests.ledger.chains import ALICE, BOB

BICYCLE = create(ALICE, data={"kind": "bicycle"}, metadata={"n": 1})
GIVEN = transfer(BICYCLE, ALICE, recipients=[(BOB, 1)])
KEPT = transfer(BICYCLE, ALICE, recipients=[(ALICE, 1)])
"""It is refused, because it spends what `GIVEN` spends."""

STREAM, API = "/api/v1/streams/", "/api/v1/"
ALL = "?after=earliest&until=tip"
REQUESTS: dict[str, list[tuple[str, ...]]] = {
    "subscribing": [
        (f"{STREAM}valid_transactions{ALL}",),
        (
            f"{STREAM}valid_blocks?after=earliest&until=2",
            f"{STREAM}refused_transactions{ALL}",
        ),
        (f"{STREAM}valid_transactions?after=earliest&until=2&detail=position",),
        (f"{STREAM}valid_blocks{ALL}&detail=full",),
        (f"{STREAM}valid_transactions{ALL}&notices=1",),
        (f"{API}events?after=earliest&limit=1",),
    ],
    "api": [
        (
            f"{API}outputs?public_key={BOB.public}&spent=false",
            f"{API}blocks?transaction_id={BICYCLE['id']}",
            f"{API}assets?search=bicycle",
        ),
        tuple(f"{API}statuses?transaction_id={each['id']}" for each in (BICYCLE, KEPT)),
        (),
        (),
    ],
    "following": [(), (), ()],
}
"""What is asked for the blocks in JSON of each page.

`()`: tests/test_observed.py, tests/http/followed/test_status.py and tests/test_manual_following.py
ask.
"""


def values(text: str) -> Iterator[object]:
    """The JSON values in a text, one after the other."""
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


def like(shown: object, real: object, name: str = "") -> bool:
    """Whether `real` is what `shown` stands for."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return list(shown) == list(real) and all(
            like(shown[each], real[each], each) for each in shown
        )
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(like, shown, real))
    if isinstance(shown, str) and isinstance(real, str):
        if name == "time":
            return re.sub(r"\d", "0", shown) == re.sub(r"\d", "0", real)
        pattern = re.escape(shown).replace("…", "[0-9A-Fa-f]+")
        return bool(re.fullmatch(pattern, real))
    return shown == real


async def ask(node: InstantNode, target: str) -> str:
    """The body of an answer; streams come as Server-Sent Events."""
    accept = "text/event-stream" if target.startswith(STREAM) else "*/*"
    command = ["curl", "-sS", "-H", f"Accept: {accept}", f"{node.http_url}{target}"]
    return (await trio.run_process(command, capture_stdout=True)).stdout.decode()


async def answers(node: InstantNode, target: str) -> list[object]:
    """What the node says to a request."""
    body = await ask(node, target)
    if target.startswith(STREAM):
        return list(map(json.loads, re.findall(r"^data: (.*)$", body, re.MULTILINE)))
    return [json.loads(body)]


def test_every_example_in_json_is_asked_for() -> None:
    counts = {
        topic: len(manual.blocks("json", page)) for topic, page in manual.PAGES.items()
    }
    assert {topic: count for topic, count in counts.items() if count} == {
        topic: len(requests) for topic, requests in REQUESTS.items()
    }


@asynccontextmanager
async def node(home: Path) -> AsyncIterator[InstantNode]:
    """A node with the blocks of the examples."""
    async with instant_node(home) as found:
        found.block(encode(BICYCLE))
        found.block(encode(GIVEN), encode(KEPT))
        found.block()
        yield found


@pytest.mark.parametrize("topic", REQUESTS)
async def test_what_is_shown_is_what_a_node_says(topic: str, tmp_path: Path) -> None:
    async with node(tmp_path) as running:
        blocks = manual.blocks("json", manual.PAGES[topic])
        for block, targets in zip(blocks, REQUESTS[topic], strict=True):
            said = iter([each for t in targets for each in await answers(running, t)])
            for shown in values(block) if targets else ():
                assert any(like(shown, each) for each in said), shown


async def test_an_event_of_server_sent_events_is_as_shown(tmp_path: Path) -> None:
    (block,) = manual.blocks("text", manual.PAGES["subscribing"])
    async with node(tmp_path) as running:
        body = await ask(running, f"{STREAM}valid_transactions{ALL}")
    pattern = re.escape(block).replace("…", "[0-9A-Fa-f]+")
    assert re.search(f"^{pattern}$", body, re.MULTILINE)
