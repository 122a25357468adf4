"""The description of a follower's API: it names the routes that there are, and requests made from
it get an answer that it allows.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks

from tests.http.followed.apis import follower_api, serving
from tests.http.followed.rooms import Log
from tests.log.followed.made import CHAIN, made, transfer, tx_of
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.cometbft.followed import Gap
from trio_stream.feeds.selection import Feed
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.followed.routes import FOLLOWER_OPENAPI
from trio_stream.http.plain import Plain
from trio_stream.http.routes import Coming
from trio_stream.log.followed.reader import FollowedReader
from trio_stream.log.followed.writer import FollowedLog

DESCRIPTION = json.loads(FOLLOWER_OPENAPI.read_text(encoding="utf-8"))


def test_every_route_of_the_api_is_described_and_nothing_else(tmp_path: Path) -> None:
    nothing: Any = None
    channel = CommitChannel(FollowedBlocks(nothing))
    app = follower_api(Log(), channel, tmp_path, others=lambda _: None)
    routes = {
        (re.sub(r"<.*?>", "{}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule == "/" or rule.rule.startswith(("/api/", "/health/"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (re.sub(r"{.*?}", "{}", path).rstrip("/") or "/", method)
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
    }
    assert described == routes


@pytest.mark.parametrize("path", ["/api/v1/streams/{stream}", "/api/v1/events"])
def test_the_streams_are_named(path: str) -> None:
    parameters = DESCRIPTION["paths"][path]["get"]["parameters"]
    (named,) = [each for each in parameters if each["name"] == "stream"]
    assert named["schema"]["enum"] == [each.value for each in Feed]


def test_all_that_is_referred_to_is_there() -> None:
    for reference in re.findall(r'"#/([^"]*)"', json.dumps(DESCRIPTION)):
        found = DESCRIPTION
        for part in reference.split("/"):
            found = found[part]


CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
REQUESTS = 400
HASH = hashlib.sha256(b64decode(tx_of(6, 0))).hexdigest()
# What is there, for half of the requests that name something.
KNOWN = {
    "height": ["5", "6", "7", "8", "9"],
    "tx_hash": [HASH, HASH.upper()],
    "after": ["earliest", "5", "6:0", HASH, "8"],
    "query": ["transfer.amount EXISTS", "tx.height > 5 OR NOT block.height = 6"],
    "recipient": ["me"],
}


@pytest.mark.slow
async def test_requests_made_from_it_get_answers_that_it_allows(tmp_path: Path) -> None:
    async def answered(request: Plain) -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        return HttpAnswer(200, b'{"jsonrpc": "2.0"}')

    def others(request: Plain) -> Coming | None:
        return answered(request) if request.method == "POST" else None

    stop = trio.Event()
    with FollowedLog.open(tmp_path) as log:
        log.begin(CHAIN)
        for height in (5, 6):
            log.append(made(height, [transfer("me")], [transfer("you")]))
        log.gap(Gap(7, 8, "pruned", "n: it is gone"))
        log.append(made(9, [transfer("me")]))
        reader = FollowedReader(log.path)
        channel = CommitChannel(FollowedBlocks(reader))
        app = follower_api(reader, channel, log.path, others)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(channel.run, stop=stop))
            async with serving(app) as url:
                asked = await trio.to_thread.run_sync(ask_all, url)
                stop.set()
        await reader.aclose()
    assert asked.total() == REQUESTS
    assert set(asked) == {
        f"{method.upper()} {path}"
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
    }


def ask_all(url: str) -> Counter[str]:
    """Send the requests; how many to each operation. Raises if an answer is not as described."""
    load_all_checks()
    checks: list[Any] = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    operations = [each.ok() for each in schema.get_all_operations()]
    cases = st.one_of(
        [
            operation.as_strategy(generation_mode=mode)
            for operation in operations
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        ]
    )
    session = requests.Session()
    asked: Counter[str] = Counter()

    @given(cases, st.data())
    @hypothesis.settings(
        max_examples=REQUESTS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case, data: st.DataObject) -> None:
        for place in (case.query, case.path_parameters):
            for name in set(place or ()) & set(KNOWN):
                if data.draw(st.booleans()):
                    place[name] = data.draw(st.sampled_from(KNOWN[name]))
        if case.path == "/api/v1/events":
            # Where there is no message it would be waited for.
            case.query.pop("wait", None)
        answer = case.call_and_validate(base_url=url, session=session, checks=checks)
        assert answer.status_code < 500 or "retry-after" in answer.headers, case
        asked[case.operation.label] += 1

    with session:
        ask()
    return asked
