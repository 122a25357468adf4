"""The description of the API: it names the routes that there are, and requests made from it get an
answer that it allows.
"""

from __future__ import annotations

import json
import re
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

from scripts.signing import create, encode, transfer
from tests.http.apis import bigchaindb_api
from tests.instant_node import ELECTION, instant_node, what_is_observed
from tests.ledger.chains import ALICE, BOB
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.committed import CommittedBlocks
from trio_stream.http.bigchaindb import OPENAPI
from trio_stream.ledger.recent_checks import RecentChecks

DESCRIPTION = json.loads(OPENAPI.read_text(encoding="utf-8"))
REQUESTS = 2_000
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
ASSET = create(ALICE, data={"word": "bicycle"}, metadata={"note": "a fox"})
MOVED = transfer(ASSET, ALICE, recipients=[(BOB, 1)])
# What is there, for half of the requests that name something.
KNOWN = {
    "asset_id": [ASSET["id"]],
    "transaction_id": [ASSET["id"], MOVED["id"]],
    "after": [ASSET["id"], ASSET["id"] + ":0"],
    "public_key": [ALICE.public, BOB.public],
    "election_id": [ELECTION["id"]],
    "height": ["0", "1", "2", "3"],
    "search": ["bicycle", "fox", '"a fox"', "fox -bicycle", ASSET["id"]],
}


def test_every_route_of_the_api_is_described_and_nothing_else() -> None:
    nothing: Any = None
    blocks = CommittedBlocks(nothing)
    app = bigchaindb_api(
        reader=nothing,
        engine=nothing,
        channel=CommitChannel(blocks),
        watched=blocks,
        checks=RecentChecks(),
        streams_url="",
        commit_timeout=1,
        max_body_bytes=1,
        observed=what_is_observed(nothing, nothing, nothing, Path("log.db")),
    )
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


async def test_the_description_is_served(tmp_path: Path) -> None:
    async with instant_node(tmp_path) as node:
        get = partial(requests.get, f"{node.http_url}/api/v1/openapi.json", timeout=60)
        answer = await trio.to_thread.run_sync(get)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DESCRIPTION


@pytest.mark.slow
async def test_requests_made_from_it_get_answers_that_it_allows(tmp_path: Path) -> None:
    async with instant_node(tmp_path) as node:
        assert not any(node.block(*map(encode, (ASSET, MOVED, ELECTION))))
        asked = await trio.to_thread.run_sync(ask_all, node.http_url)
    print(asked)
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
        if case.method == "POST" and data.draw(st.booleans()):
            case.body = create(BOB, data={"n": data.draw(st.integers(0, 99))})
        answer = case.call_and_validate(base_url=url, session=session, checks=checks)
        # A node that has not got to a position yet says when to come again.
        assert answer.status_code < 500 or "retry-after" in answer.headers, case
        asked[case.operation.label] += 1

    with session:
        ask()
    return asked
