"""The manual's programs in JavaScript print what is committed, in a browser and on Node."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts.http_client import fetch
from scripts.signing import encode
from tests import manual
from tests.instant_node import InstantNode
from tests.test_browser import CHROMIUM, browsing
from tests.test_manual import DEADLINE, DOCUMENTS, IDS, moved, node, printed

CLIENT = "http://localhost:9984/client.js"
PROGRAMS = manual.blocks("js")
FOR_BROWSERS = [each for each in PROGRAMS if "node:" not in each]

LOGGING = """<!doctype html><meta charset="utf-8"><script>
const lines = []
console.log = (line) => {
  lines.push(line)
  fetch("/told/log", {method: "POST", body: JSON.stringify(lines)})
}
</script><script type="module">
PROGRAM
</script>
"""


def port_of(running: InstantNode) -> int:
    port = urlsplit(running.http_url).port
    assert port
    return port


def test_the_client_is_used_in_browsers_and_on_node() -> None:
    assert any(CLIENT in each for each in FOR_BROWSERS)
    assert set(PROGRAMS) - set(FOR_BROWSERS) == {
        each for each in PROGRAMS if "./client.js" in each
    }


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.parametrize("text", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_they_run_on_node(text: str, tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with node(tmp_path / "home") as (running, line), line.listening() as port:
            answer = await fetch("127.0.0.1", port_of(running), "GET", "/client.js")
            (tmp_path / "client.js").write_bytes(answer.body)
            (tmp_path / "package.json").write_text('{"type": "module"}')
            # Node loads no module from another host.
            text = moved(text.replace(CLIENT, "./client.js"), stream=port)
            (tmp_path / "program.js").write_text(text)

            async def commit() -> None:
                # It gets what is committed after it has connected.
                await line.answered.wait()
                running.block(*map(encode, DOCUMENTS))

            # Node 20 has WebSocket behind a flag, which later ones take too.
            command = ["node", "--experimental-websocket", "program.js"]
            assert await printed(command, tmp_path, len(IDS), commit) == IDS


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
@pytest.mark.parametrize("text", FOR_BROWSERS, ids=range(len(FOR_BROWSERS)))
async def test_they_run_in_a_browser(text: str, tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with node(tmp_path / "home") as (running, line), line.listening() as port:
            program = moved(text, stream=port, api=port_of(running))
            page = LOGGING.replace("PROGRAM", program).encode()
            async with browsing(tmp_path, page, "") as told:
                await line.answered.wait()
                running.block(*map(encode, DOCUMENTS))
                assert await told.get("log", len(IDS)) == IDS
