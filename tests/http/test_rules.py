"""Rules of paths: what they match, and that they make none."""

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, MapAdapter

from trio_stream.http.rules import Digits, MatchedRule


@pytest.fixture
def paths() -> MapAdapter:
    rules = [
        MatchedRule("/blocks/<digits:height>", endpoint="block"),
        MatchedRule("/streams/<any(a,b_c):name>", endpoint="stream"),
    ]
    return Map(rules, converters={"digits": Digits}).bind("a")


def test_paths_are_matched(paths: MapAdapter) -> None:
    assert paths.match("/blocks/0" + "7" * 100)[1]["height"] == "0" + "7" * 100
    for stream in "a", "b_c":
        assert paths.match(f"/streams/{stream}")[1] == {"name": stream}


@pytest.mark.parametrize(
    "path", ["/blocks/-7", "/blocks/٧", "/blocks/7x", "/blocks/", "/streams/x"]
)
def test_others_are_not(path: str, paths: MapAdapter) -> None:
    with pytest.raises(NotFound):
        paths.match(path)


def test_none_is_made(paths: MapAdapter) -> None:
    with pytest.raises(NotImplementedError, match="/blocks/<digits:height>"):
        paths.build("block", {"height": "7"})
