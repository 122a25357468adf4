"""The manual for browsers: its documents, where they lead, and what they may load."""

from __future__ import annotations

import re

import pytest
import trio
from quart import typing
from quart_trio import QuartTrio

from trio_stream.http.answers import HttpAnswer
from trio_stream.http.manual import add_manual, documents
from trio_stream.http.page import add_page
from trio_stream.manual import TOPICS

PATHS = ["/manual", *(f"/manual/{topic}" for topic in TOPICS)]


async def index() -> HttpAnswer:
    await trio.lowlevel.checkpoint()
    return HttpAnswer(200, b"{}")


@pytest.fixture
def client() -> typing.TestClientProtocol:
    app = QuartTrio(__name__, static_folder=None)
    app.url_map.strict_slashes = False
    add_page(app, index)
    add_manual(app)
    return app.test_client()


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_documents_without_scripts(
    path: str, client: typing.TestClientProtocol
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    text = await answer.get_data(as_text=True)
    assert text.startswith("<!doctype html>")
    assert not re.search(r"<script|style=| on\w+=\"|src=\"(?!/static/)", text)


async def test_what_they_lead_to_is_served(client: typing.TestClientProtocol) -> None:
    targets = {each for text in documents().values() for each in links(text)}
    assert {"/", "/static/manual.css", *PATHS} <= targets
    for target in targets - {"/"}:
        if not target.startswith(("#", "https://")):
            assert (await client.get(target)).status_code == 200, target


@pytest.mark.parametrize("path", PATHS)
def test_anchors_are_in_the_same_document_once(path: str) -> None:
    text = documents()[path]
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert {each[1:] for each in links(text) if each.startswith("#")} <= set(ids)


def links(text: str) -> list[str]:
    return re.findall(r' href="([^"]*)"', text)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_document_names_its_page_and_the_parts_of_it(topic: str) -> None:
    text = documents()[f"/manual/{topic}"]
    (current,) = re.findall(r'<a href="(\S+)" aria-current="page">', text)
    assert current == f"/manual/{topic}"
    parts = re.findall(r'<h2 id="(\S+)"', text)
    assert parts and all(f'<li><a href="#{each}">' in text for each in parts)


async def test_there_is_no_other_page(client: typing.TestClientProtocol) -> None:
    assert (await client.get("/manual/nothing")).status_code == 404
