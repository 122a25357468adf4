"""Files for browsers: what they are, and when a browser is told that its copy is current."""

from __future__ import annotations

import re

import pytest
from quart import typing
from quart_trio import QuartTrio

from scripts import child
from trio_stream.http.files import CLIENT, StaticFile, add_file


@pytest.fixture
def client() -> typing.TestClientProtocol:
    app = QuartTrio(__name__, static_folder=None)
    for name in CLIENT:
        add_file(app, f"/{name}", StaticFile.read(name))
    return app.test_client()


async def test_the_client_is_a_module_of_javascript(
    client: typing.TestClientProtocol,
) -> None:
    answer = await client.get("/client.js")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"export function openStream(" in await answer.get_data()


async def test_its_types_are_text(client: typing.TestClientProtocol) -> None:
    answer = await client.get("/client.d.ts")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"export interface Options {" in await answer.get_data()


async def test_a_copy_that_is_current_is_not_sent_again(
    client: typing.TestClientProtocol,
) -> None:
    first = await client.get("/client.js")
    assert first.headers["Cache-Control"] == "no-cache"
    etag = first.headers["ETag"]
    again = await client.get("/client.js", headers={"If-None-Match": f'"x", W/{etag}'})
    assert (again.status_code, again.headers["ETag"]) == (304, etag)
    assert await again.get_data() == b""
    changed = await client.get("/client.js", headers={"If-None-Match": '"old"'})
    assert changed.status_code == 200


async def test_a_file_may_have_headers_of_its_own() -> None:
    app = QuartTrio(__name__, static_folder=None)
    add_file(
        app, "/x", StaticFile.read("client.js", ("Referrer-Policy", "no-referrer"))
    )
    answer = await app.test_client().get("/x")
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_each_option_of_the_client_has_a_type() -> None:
    folder = child.ROOT / "trio_stream" / "http" / "static"
    _, _, code = (folder / "client.js").read_text().partition("const DEFAULTS = {\n")
    named = re.findall(r"^    (\w+):", code.partition("\n}\n")[0], re.MULTILINE)
    _, _, types = (
        (folder / "client.d.ts").read_text().partition("interface Options {\n")
    )
    typed = re.findall(r"^    (\w+)\?:", types.partition("\n}\n")[0], re.MULTILINE)
    assert sorted(typed) == sorted(named)
