"""What the manual prints runs as it is printed: programs and commands are taken from its pages.

All that is changed are the ports, which are free ones here and not those of a daemon that may run
on this machine. What is not run here stands in `ELSEWHERE`, with what covers it; a block or command
that is in neither fails a test. What the pages as such must be is `test_manual_pages`'.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from scripts import child
from scripts.signing import create, encode
from tests import manual, test_exactly_once
from tests.client import test_with_followed_chain
from tests.instant_node import ELECTION, InstantNode, instant_node
from tests.ledger.chains import ALICE
from tests.line import Line
from trio_stream import __main__ as program

DEADLINE = 120
DOCUMENTS = [create(ALICE, metadata={"n": n}) for n in range(3)]
IDS = [document["id"] for document in DOCUMENTS]

WEBSOCAT = """\
#!{python}
# Prints what comes, as websocat does; for machines that lack it.
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as stream:
    for text in stream:
        print(text, flush=True)
"""

ELSEWHERE = {
    "make demo": "tests/engines/test_demo.py, with ENGINE too",
    "make demo-follow": "tests/engines/test_demo_follow.py",
    "make devnode": "tests/engines/test_devnode.py",
    "make devnet": "tests/engines/test_devnet.py",
    "make run": "its command, python -m trio_stream run, in tests/test_daemon.py",
    "make test": "runs this",
    "make check": "is what CI runs",
    "make test-engines": "is what CI runs",
    "make chains": "builds what tests/chains runs",
    "make test-chains": "is tests/chains with all chains",
    "make engines": "is what CI runs",
    "make bench": "its scripts in tests/test_chaos.py and by hand: it takes minutes",
    "make manual": "tests/test_manual_tables.py",
    "trio-stream follow --node http://localhost:26657 --home DIR": "tests/commands/test_follow.py",
    "trio-stream log-level debug --home DIR": "tests/commands/test_log_level.py",
    "trio-stream genesis --home DIR genesis.json": "tests/commands/test_genesis.py",
    "useradd --system --home-dir /var/lib/trio-stream trio-stream": "changes the machine",
    "useradd --system --home-dir /var/lib/cometbft cometbft": "changes the machine",
    "python3 -m venv /opt/trio-stream": "tests/test_packaging.py",
    "/opt/trio-stream/bin/pip install '.[server]'": "tests/test_packaging.py",
    "systemctl enable --now trio-stream cometbft": "changes the machine",
    "docker compose -f scripts/deploy/compose.yaml up --build --detach": "needs a docker; what it"
    " runs is run in tests/deploy/test_containers.py",
    "NODE=https://rpc.example.com docker compose -f scripts/deploy/compose-follow.yaml up --build"
    " --detach": "likewise",
    "kubectl apply -f scripts/deploy/kubernetes.yaml": "needs a cluster, likewise",
    "make lock": "asks a package index; the lock is what everything is installed from",
    "make proto": "writes what tests/abci compare with the engines' messages",
}
"""Commands that no test of this file runs to their end, and what covers them."""

LANGUAGES = {
    "caddy": "tests/deploy/test_proxies.py",
    "ini": "tests/deploy/test_units.py",
    "js": "tests/test_manual_javascript.py",
    "json": "tests/test_manual_examples.py",
    "nginx": "tests/deploy/test_proxies.py",
    "python": "here",
    "sh": "here",
    "sql": "tests/log/test_manual_sql.py",
    "text": "tests/test_manual_examples.py, tests/engines/test_demo.py,"
    " tests/commands/test_status.py, tests/log/test_export.py",
    "toml": "tests/test_manual_pages.py",
    "yaml": "tests/test_observed.py",
}
"""The languages of fenced blocks, and what runs or compares them; drawings have none."""


@asynccontextmanager
async def node(home: Path) -> AsyncIterator[tuple[InstantNode, Line]]:
    """A node, and a line to its stream."""
    async with instant_node(home) as found:
        yield found, Line(found.ws_url)


def moved(text: str, *, stream: int | str, api: int | str = "") -> str:
    """The same with the ports of this test."""
    return text.replace("localhost:9985", f"localhost:{stream}").replace(
        "localhost:9984", f"localhost:{api}"
    )


def test_every_block_is_run_here_or_elsewhere() -> None:
    assert manual.languages() == {"", *LANGUAGES}
    assert all("─" in drawing for drawing in manual.blocks(""))
    places = [each for text in LANGUAGES.values() for each in text.split(", ")]
    assert all((child.ROOT / each).is_file() for each in places if each != "here")


async def printed(
    command: list[str], folder: Path, count: int, begun: Callable[[], Awaitable[None]]
) -> list[str]:
    """The first lines that a program prints which would run for ever."""
    process = await trio.lowlevel.open_process(
        command,
        cwd=folder,
        # Some end with their input, which is a terminal for whoever types them.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment({}),
    )
    try:
        await begun()
        data = b""
        while data.count(b"\n") < count:
            assert process.stdout is not None
            more = await process.stdout.receive_some()
            assert more, data
            data += more
        return data.decode().splitlines()[:count]
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def subscribes(make: Callable[[str], list[str]], folder: Path) -> list[str]:
    """What a program prints that follows the stream, of three transactions."""
    with trio.fail_after(DEADLINE):
        async with node(folder / "home") as (running, line), line.listening() as port:

            async def commit() -> None:
                # It gets what is committed after it has connected.
                await line.answered.wait()
                running.block(*map(encode, DOCUMENTS))

            return await printed(make(str(port)), folder, len(DOCUMENTS), commit)


PYTHON = [
    each
    for each in manual.blocks("python")
    if "print(" in each and each != test_with_followed_chain.PROGRAM
]


def test_other_python_programs_are_run_elsewhere() -> None:
    assert set(manual.blocks("python")) - set(PYTHON) == {
        test_exactly_once.RECIPE,
        test_with_followed_chain.PROGRAM,
        test_with_followed_chain.RECIPE,
    }


@pytest.mark.slow
@pytest.mark.parametrize("text", PYTHON, ids=range(len(PYTHON)))
async def test_python_programs_print_what_is_committed(
    text: str, tmp_path: Path
) -> None:
    def make(port: str) -> list[str]:
        return [sys.executable, "-c", moved(text, stream=port)]

    lines = await subscribes(make, tmp_path)
    assert [re.findall(r"[0-9a-f]{64}", line)[-1] for line in lines] == IDS


def commands() -> list[str]:
    """The commands of the blocks for the shell."""
    lines = [line for block in manual.blocks("sh") for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines]


def test_every_command_is_run_here_or_elsewhere() -> None:
    others = [
        each
        for each in commands()
        if not re.match(r"curl (-N|'?http|.* -d @)|sqlite3|websocat|\.venv", each)
    ]
    targets = [each for each in manual.spans() if each.startswith("make ")]
    for each in others + targets:
        assert re.sub(r" ARGS=.*", "", each) in ELSEWHERE
    rules = (child.ROOT / "Makefile").read_text(encoding="utf-8")
    for each in ELSEWHERE:
        if not each.startswith("make "):
            continue
        assert re.search(rf"^{each.removeprefix('make ')}:", rules, re.MULTILINE)


@pytest.mark.slow
async def test_a_transaction_is_made_and_posted_with_curl(tmp_path: Path) -> None:
    (block,) = (each for each in manual.blocks("sh") if "-d @" in each)
    with trio.fail_after(DEADLINE):
        async with instant_node(tmp_path / "home") as running:
            api = urlsplit(running.http_url).port
            text = moved(block, stream="", api=str(api))
            text = text.replace(".venv/bin/python", sys.executable)
            done = await trio.run_process(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=tmp_path,
                env=child.environment({}),
                capture_stdout=True,
            )
    made = json.loads((tmp_path / "transaction.json").read_bytes())
    assert json.loads(done.stdout) == made
    with sqlite3.connect(tmp_path / "home" / "log.db") as log:
        assert log.execute("SELECT id FROM v1_transactions").fetchall() == [
            (made["id"],)
        ]
    log.close()


@pytest.mark.slow
async def test_websocat_prints_what_is_committed(tmp_path: Path) -> None:
    (command,) = {each for each in commands() if each.startswith("websocat")}
    path = os.environ["PATH"]
    if not shutil.which("websocat"):
        stand_in = tmp_path / "websocat"
        stand_in.write_text(WEBSOCAT.format(python=sys.executable))
        stand_in.chmod(0o755)
        path = f"{tmp_path}:{path}"

    def make(port: str) -> list[str]:
        name, *rest = moved(command, stream=port).split()
        found = shutil.which(name, path=path)
        assert found
        return [found, *rest]

    lines = await subscribes(make, tmp_path)
    assert [json.loads(line)["transaction_id"] for line in lines] == IDS


@pytest.mark.slow
async def test_curl_prints_what_is_committed(tmp_path: Path) -> None:
    (command,) = {each for each in commands() if each.startswith("curl -N")}

    def make(port: str) -> list[str]:
        return ["bash", "-c", "exec " + moved(command, stream="", api=port)]

    with trio.fail_after(DEADLINE):
        async with instant_node(tmp_path / "home") as running:
            line = Line(running.http_url)
            async with line.listening() as port:

                async def commit() -> None:
                    await line.answered.wait()
                    running.block(*map(encode, DOCUMENTS))

                lines = await printed(make(str(port)), tmp_path, 12, commit)
    assert re.findall(r'"transaction_id": ?"(\w+)"', "".join(lines))[:3] == IDS


@pytest.mark.parametrize("command", ["run", "follow", "tail"])
def test_printed_flags_are_those_that_there_are(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (usage,) = (
        each
        for each in manual.spans()
        if each.startswith(f"python -m trio_stream {command} ") and "[" in each
    )
    with pytest.raises(SystemExit) as ended:
        program.main([command, "--help"])
    assert ended.value.code == 0
    known = capsys.readouterr().out
    for flag in re.findall(r"--[\w-]+", usage):
        assert re.search(rf"{flag}\b", known), flag


@pytest.mark.parametrize("command", program.COMMANDS)
def test_each_flag_is_in_the_manual(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.main([program.word_of(command), "--help"])
    printed = {flag for text in manual.code() for flag in re.findall(FLAG, text)}
    assert set(re.findall(FLAG, capsys.readouterr().out)) - {"--help"} <= printed


FLAG = r"(?<![\w-])--[a-z][\w-]*"


async def test_printed_ways_to_open_the_log_open_it(tmp_path: Path) -> None:
    async with instant_node(tmp_path):
        shell, python = (each for each in manual.spans() if each.startswith("sqlite3"))
        query = "SELECT height FROM v1_blocks"
        text = f"import sqlite3; print({python}.execute({query!r}).fetchall())"
        read = [[sys.executable, "-c", text]]
        if shutil.which("sqlite3"):
            read.append([*shell.split(), query])
        for command in read:
            done = await trio.run_process(command, cwd=tmp_path, capture_stdout=True)
            assert re.findall(rb"\d+", done.stdout) == [b"1"]


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="there is no sqlite3 here")
async def test_what_a_moved_log_has_above_a_height_is_printed(tmp_path: Path) -> None:
    async with instant_node(tmp_path / "moved") as running:
        for document in DOCUMENTS:
            running.block(encode(document))
    (command,) = (each for each in commands() if "> M" in each)
    done = await trio.run_process(
        ["bash", "-c", command.replace("> M", "> 2")],
        cwd=tmp_path,
        capture_stdout=True,
    )
    assert done.stdout.splitlines() == [encode(each) for each in DOCUMENTS[1:]]


VALUES = {
    "after": "earliest",
    "limit": "5",
    "wait": "0",
    "transaction_id": IDS[0],
    "asset_id": IDS[0],
    "public_key": ALICE.public,
    "search": "bicycle",
}
PLACES = {
    "ID": IDS[0],
    "KEY": ALICE.public,
    "HEIGHT": "2",
    "NAME": "valid_transactions?until=tip",
    "ELECTION": ELECTION["id"],
}
"""What stands for the words in capitals."""


GETS = [each for each in commands() if re.match(r"curl '?http", each)]


async def test_printed_requests_answer(tmp_path: Path) -> None:
    async with instant_node(tmp_path) as running:
        running.block(*map(encode, DOCUMENTS))
        for each in GETS:
            for name, value in PLACES.items():
                each = re.sub(rf"(?<=[/=]){name}\b", value, each)
            text = moved(each, stream="", api=str(urlsplit(running.http_url).port))
            command = text.replace("curl", "curl -sS -w '%{http_code}'", 1)
            done = await trio.run_process(["bash", "-c", command], capture_stdout=True)
            assert done.stdout.endswith(b"200"), each


async def test_printed_paths_answer(tmp_path: Path) -> None:
    paths = [each for each in manual.spans() if re.search(r"^(GET )?/api/v1/\w+", each)]
    assert len(paths) >= 2
    async with instant_node(tmp_path) as running:
        running.block(*map(encode, [*DOCUMENTS, ELECTION]))
        for each in paths:
            target = each.removeprefix("GET ")
            for name, value in VALUES.items():
                target = re.sub(rf"\b{name}=(?=&|$)", f"{name}={value}", target)
            for name, value in PLACES.items():
                target = re.sub(rf"(?<=/){name}$", value, target)
            url = f"{running.http_url}{target}"
            accept = "text/event-stream" if "/streams/" in target else "*/*"
            done = await trio.run_process(
                ["curl", "-sS", "-o", os.devnull, "-w", "%{http_code}"]
                + ["-H", f"Accept: {accept}", url],
                capture_stdout=True,
            )
            assert done.stdout == b"200", target


def test_printed_modules_are_there() -> None:
    for name in re.findall(r"`(bench\.[a-z_]+|chaos)\b", manual.TEXT):
        assert (child.ROOT / "scripts" / f"{name.replace('.', '/')}.py").is_file()
    assert "pydoc trio_stream.client.Options" in manual.TEXT
