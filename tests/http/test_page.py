"""Who gets the live page at `/`, and what it may load."""

from __future__ import annotations

import re

import pytest
import trio
from quart import typing
from quart_trio import QuartTrio

from trio_stream.http.answers import HttpAnswer
from trio_stream.http.files import CLIENT, FOLDER
from trio_stream.http.page import PARTS, POLICY, add_page

INDEX = HttpAnswer(200, b'{"software": "BigchainDB"}\n')
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


async def index() -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return INDEX


@pytest.fixture
def client() -> typing.TestClientProtocol:
    app = QuartTrio(__name__, static_folder=None)
    add_page(app, index)
    return app.test_client()


@pytest.mark.parametrize(
    "accept", [BROWSER, "text/html", "text/*", "application/json;q=0.5, text/html"]
)
async def test_browsers_get_the_page(
    accept: str, client: typing.TestClientProtocol
) -> None:
    answer = await client.get("/", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Vary"] == "Accept"
    assert b"<title>trio_stream</title>" in await answer.get_data()


@pytest.mark.parametrize(
    "accept",
    [None, "*/*", "application/json", "application/json, text/plain, */*", "a/b", "?"]
    + ["text/html;q=0.9, application/json", "text/html;q=0", ""],
)
async def test_everybody_else_gets_the_index(
    accept: str | None, client: typing.TestClientProtocol
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = await client.get("/", headers=headers)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Vary"] == "Accept"
    assert await answer.get_data() == INDEX.body


async def test_a_browser_that_has_the_page_is_told_so(
    client: typing.TestClientProtocol,
) -> None:
    asked = {"Accept": BROWSER}
    first = await client.get("/", headers=asked)
    tagged = {**asked, "If-None-Match": first.headers["ETag"]}
    assert (await client.get("/", headers=tagged)).status_code == 304


async def test_every_part_is_served(client: typing.TestClientProtocol) -> None:
    for path in ["/client.js", *(f"/static/{name}" for name in PARTS)]:
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert re.match(r"text/(css|javascript)|image/svg", answer.content_type), path


def test_every_file_is_served() -> None:
    served = {*PARTS, *CLIENT, "page.html", "manual.css"}
    assert {path.name for path in FOLDER.iterdir()} == served


def test_what_the_page_loads_is_ours_and_is_there() -> None:
    loaded: set[str] = set()
    for name in ("page.html", *PARTS):
        text = (FOLDER / name).read_text(encoding="utf-8")
        imports = re.findall(r'(?:from|import\() ?"([^"$]+)"', text)
        loaded |= {each.replace("./", "/static/") for each in imports}
        loaded |= set(re.findall(r'(?:src|rel="\w+" href)="([^"]+)"', text))
    assert loaded - {f"/static/{name}" for name in PARTS} == {"/client.js"}


def test_nothing_is_written_into_the_page_that_runs() -> None:
    text = (FOLDER / "page.html").read_text(encoding="utf-8")
    assert (
        re.findall(r"<script(?! type=\"module\" src=)|<style|style=| on\w+=", text)
        == []
    )


async def test_what_is_posted_there_is_named(
    client: typing.TestClientProtocol,
) -> None:
    app = QuartTrio(__name__, static_folder=None)
    add_page(app, index, is_posted_to=True)
    answer = await app.test_client().options("/")
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert "POST" not in (await client.options("/")).allow
