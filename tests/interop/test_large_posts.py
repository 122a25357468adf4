"""Large posts from what other languages bring along, as they send them by themselves.

Some ask for a 100 first, some send their bodies in chunks; who is over the limit hears so and does
not see a broken connection.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

from scripts.signing import create, encode
from tests.instant_node import MAX_BODY, instant_node
from tests.ledger.chains import ALICE

pytestmark = pytest.mark.interop

FOLDER = Path(__file__).parent / "posters"
COMMANDS = {
    "node": ["node", str(FOLDER / "post.mjs")],
    "go": ["go", "run", str(FOLDER / "post.go")],
    "java": ["java", str(FOLDER / "Post.java")],
}
LONGEST = 600.0
"""Seconds for a program, which may have to be compiled; nothing waits for time to pass."""
LARGE = encode(create(ALICE, metadata={"text": "x" * 600_000}))
TOO_LARGE = LARGE[:-1] + b" " * MAX_BODY + b"}"

Said = dict[str, tuple[int, str]]


async def posted(language: str, url: str, body: bytes, *refused: str) -> Said:
    """What was answered, by the way in which it was posted; status 0 if nothing was."""
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"no {language} on this machine")
    with trio.fail_after(LONGEST):
        done = await trio.run_process(
            [*COMMANDS[language], f"{url}/api/v1/transactions", *refused],
            stdin=body,
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
    output = done.stdout.decode()
    assert done.returncode == 0, output
    lines = [json.loads(line) for line in output.splitlines()]
    return {way: (status, text) for way, status, text in lines}


@pytest.mark.parametrize("language", COMMANDS)
async def test_a_large_one_is_accepted_and_then_known(
    language: str, tmp_path: Path
) -> None:
    async with instant_node(tmp_path) as node:
        said = await posted(language, node.http_url, LARGE)
    first, *others = said.values()
    assert first[0] == 202 and json.loads(first[1]) == json.loads(LARGE)
    assert others
    for status, text in others:
        assert status == 400 and "(DuplicateTransaction)" in text, said


@pytest.mark.parametrize("language", COMMANDS)
async def test_who_is_over_the_limit_hears_so(language: str, tmp_path: Path) -> None:
    async with instant_node(tmp_path) as node:
        said = await posted(language, node.http_url, TOO_LARGE, "refused")
    assert len(said) >= 4
    assert {status for status, _ in said.values()} == {413}, said
