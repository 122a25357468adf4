"""Which path is answered by what, whatever the kind of daemon."""

from __future__ import annotations

import pytest
import trio

from trio_stream.http.answers import NO_SUCH_PATH, HttpAnswer
from trio_stream.http.routes import Lookup, Routes


async def said(text: object) -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return HttpAnswer(200, str(text).encode())


@pytest.fixture
def routes() -> Routes:
    return Routes(
        root=lambda: said("root"),
        gets={"/a/words": lambda query: said(query.decode())},
        lookups={
            "/a/words/": Lookup(lambda name: said(f"word {name}")),
            "/a/numbers/": Lookup(lambda name: said(f"number {name}"), digits=True),
        },
        streams=["some"],
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a/words", "q"),
        ("/a/words/", "q"),
        ("/a/words/one", "word one"),
        ("/a/words/007", "word 007"),
        ("/a/numbers/007", "number 007"),
    ],
)
async def test_what_has_a_route_is_answered(
    path: str, text: str, routes: Routes
) -> None:
    coming = routes.find(path, b"q")
    assert coming is not None
    assert await coming == HttpAnswer(200, text.encode())


@pytest.mark.parametrize(
    "path",
    ["/", "/a", "/a/wordsone", "/a/words/one/", "/a/numbers/", "/a/numbers/7x"],
)
def test_what_has_none_is_not(path: str, routes: Routes) -> None:
    assert routes.find(path, b"q") is None


def test_what_is_left_out_answers_nothing(routes: Routes) -> None:
    assert not routes.posts
    assert routes.others is None
    assert routes.no_such_path("/nothing") is NO_SUCH_PATH
