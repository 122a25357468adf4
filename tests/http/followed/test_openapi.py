"""The description of a follower's API: it names the routes that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.http.followed.apis import follower_api
from tests.http.followed.rooms import Log
from trio_stream.channel.commit_channel import CommitChannel
from trio_stream.channel.followed import FollowedBlocks
from trio_stream.feeds.selection import Feed
from trio_stream.http.followed.routes import FOLLOWER_OPENAPI

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
