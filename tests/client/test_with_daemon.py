"""The client and the real daemon: restarts, several nodes, other histories, all streams."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from scripts import child
from scripts.signing import Document, Key, create, encode, transfer
from tests.fake_engine import Chain, FakeEngine
from tests.test_daemon import DEADLINE, engine_at, host_and_port, running, settings
from trio_stream import daemon
from trio_stream.client import Events, Options, Refused, open_stream
from trio_stream.node import Addresses

ALICE = Key.from_seed(b"\x01" * 32)
BOB = Key.from_seed(b"\x02" * 32)

BLOCKS = "/api/v1/streams/valid_blocks"
REFUSED = "/api/v1/streams/refused_transactions"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_stream.client.resume.FIRST_DELAY", 0.01)


class Addressbook:
    """Names for nodes whose ports change with each start."""

    def __init__(self) -> None:
        self._streams: dict[str, tuple[str, int]] = {}

    def options(self, **more: Any) -> Options:
        return cast(Options, {"open_tcp": self._open_tcp, **more})

    @asynccontextmanager
    async def node(
        self, name: str, home: Path, chain: Chain
    ) -> AsyncIterator[FakeEngine]:
        """A daemon and its engine, which has brought it up to date; stopped at the end."""
        async with running(settings(home)) as addresses:
            async with self.engine(name, addresses, chain) as node:
                yield node
            del self._streams[name]

    @asynccontextmanager
    async def engine(
        self, name: str, addresses: Addresses, chain: Chain
    ) -> AsyncIterator[FakeEngine]:
        async with engine_at(addresses, "C38", chain) as engine:
            await engine.handshake()
            self._streams[name] = host_and_port(addresses.stream)
            yield engine

    async def _open_tcp(self, host: str, port: int) -> trio.abc.Stream:
        if host not in self._streams:
            raise ConnectionRefusedError(f"{host} is down")
        return await trio.open_tcp_stream(*self._streams[host])


def some(count: int, seed: object) -> list[Document]:
    return [create(ALICE, metadata={"of": repr(seed), "n": n}) for n in range(count)]


async def take(events: Events, count: int) -> list[str]:
    return [(await anext(events))["transaction_id"] for _ in range(count)]


def ids(documents: list[Document]) -> list[str]:
    return [document["id"] for document in documents]


async def test_restarts_cost_and_repeat_nothing(tmp_path: Path) -> None:
    book, chain = Addressbook(), Chain()
    sent: list[str] = []
    got: list[str] = []
    asking = book.options(after="earliest", checkpoint=tmp_path / "state")
    with trio.fail_after(DEADLINE):
        async with open_stream("ws://a", **asking) as events:
            for start in range(3):
                async with book.node("a", tmp_path / "home", chain) as node:
                    for block in range(3):
                        documents = some(5, (start, block))
                        await node.block(b"nonsense", *map(encode, documents))
                        sent += ids(documents)
                    # Some are left in the client's hands, but for the last time.
                    got += await take(events, len(sent) - len(got) - (2 - start))
        assert got == sent

        async with book.node("a", tmp_path / "home", chain) as node:
            await node.block()
            await node.block(*map(encode, last := some(2, "last")))
            asking = book.options(checkpoint=tmp_path / "state")
            async with open_stream("ws://a", **asking) as events:
                assert await take(events, 2) == ids(last)


async def test_another_node_goes_on_where_one_died(tmp_path: Path) -> None:
    book, power = Addressbook(), trio.CancelScope()
    blocks = [some(3, number) for number in range(8)]

    # The daemon itself says that it has started.
    async def serve(task_status: trio.TaskStatus[Addresses]) -> None:  # noqa: ASYNC128
        with power:
            await daemon.run(settings(tmp_path / "a"), task_status=task_status)

    with trio.fail_after(DEADLINE):
        async with (
            book.node("b", tmp_path / "b", Chain()) as behind,
            trio.open_nursery() as nursery,
        ):
            first: Addresses = await nursery.start(serve)
            async with book.engine("a", first, Chain()) as ahead:
                for block in blocks[:6]:
                    await ahead.block(*map(encode, block))
            for block in blocks[:3]:
                await behind.block(*map(encode, block))
            asking = book.options(after="earliest")
            async with open_stream(["ws://a", "ws://b"], **asking) as events:
                got = await take(events, 18)
                power.cancel()
                for block in blocks[3:]:
                    await behind.block(*map(encode, block))
                got += await take(events, 6)
    assert got == [each for block in blocks for each in ids(block)]


async def test_another_history_is_found_out(tmp_path: Path) -> None:
    book = Addressbook()
    with trio.fail_after(DEADLINE):
        async with open_stream("ws://a", **book.options(after="earliest")) as events:
            async with book.node("a", tmp_path / "old", Chain()) as node:
                await node.block(*map(encode, some(2, "old")))
                await take(events, 2)
            async with book.node("a", tmp_path / "new", Chain()) as node:
                await node.block(*map(encode, some(2, "new")))
                with pytest.raises(Refused, match="409") as refused:
                    await take(events, 1)
    assert refused.value.details["error"] == "other_history"


@pytest.mark.parametrize("notices", [True, False])
async def test_another_history_is_detected_when_the_server_reaches_the_position(
    tmp_path: Path, notices: bool
) -> None:
    book = Addressbook()
    options = book.options(after="3:0:00000000", notices=notices)
    with trio.fail_after(DEADLINE):
        async with book.node("a", tmp_path / "home", Chain()) as node:
            async with open_stream("ws://a", **options) as events:
                with pytest.raises(Refused, match="409"):
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(commit_slowly, node)
                        try:
                            await take(events, 1)
                        except Refused as refused:
                            problem = refused
                            nursery.cancel_scope.cancel()
                    raise problem


async def commit_slowly(engine: FakeEngine) -> None:
    for number in range(4):
        await engine.block(*map(encode, some(1, number)))
        await trio.testing.wait_all_tasks_blocked(0.01)


async def test_only_matching_events_are_sent(tmp_path: Path) -> None:
    book, chain = Addressbook(), Chain()
    created = create(ALICE)
    moved = transfer(created, ALICE, recipients=[(BOB, 1)])
    with trio.fail_after(DEADLINE):
        async with book.node("a", tmp_path / "home", chain) as node:
            await node.block(encode(created), *map(encode, some(3, 1)))
            for number in range(3):
                await node.block(*map(encode, some(3, 2 + number)))
            await node.block(encode(moved))
            for filters, found in (
                ({"asset_id": created["id"]}, [created, moved]),
                ({"public_key": BOB.public}, [moved]),
                ({"operation": ["TRANSFER", "VOTE"]}, [moved]),
                ({"operation": "CREATE", "asset_id": created["id"]}, [created]),
            ):
                options = book.options(after="earliest", until="tip", **filters)
                async with open_stream("ws://a", **options) as events:
                    assert [e["transaction_id"] async for e in events] == ids(found)
                    # The position moved on although nothing matched.
                    assert str(events.position).startswith("5:")


async def test_whole_transactions(tmp_path: Path) -> None:
    book, chain = Addressbook(), Chain()
    created = create(ALICE, metadata={"ä": [1.5, None]})
    with trio.fail_after(DEADLINE):
        async with book.node("a", tmp_path / "home", chain) as node:
            await node.block(encode(created))
            asking = book.options(detail="full", after="earliest")
            async with open_stream("ws://a", **asking) as events:
                event = await anext(events)
    assert event["transaction"] == created
    assert event["position"] == f"1:0:{created['id'][:8]}"


async def test_streams_of_blocks_and_refusals(tmp_path: Path) -> None:
    book, chain = Addressbook(), Chain()
    with trio.fail_after(DEADLINE):
        async with book.node("a", tmp_path / "home", chain) as node:
            await node.block(*map(encode, some(2, 1)))
            await node.block()
            await node.block(b"nonsense", *map(encode, some(1, 2)))
            options = book.options(after="earliest", until="tip")
            async with open_stream("ws://a" + BLOCKS, **options) as events:
                assert [event["height"] async for event in events] == [1, 3]
            options["empty_blocks"] = True
            async with open_stream("ws://a" + BLOCKS, **options) as events:
                assert [event["height"] async for event in events] == [1, 2, 3]
            options.pop("empty_blocks")
            async with open_stream("ws://a" + REFUSED, **options) as events:
                (refusal,) = [event async for event in events]
    assert (refusal["height"], refusal["index"]) == (3, 0)
    assert refusal["transaction_id"] is None


async def test_what_the_server_refuses_is_raised(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with running(settings(tmp_path)) as addresses:
            for options in (Options(after="yesterday"), Options(asset_id="x")):
                with pytest.raises(Refused, match="400"):
                    async with open_stream(addresses.stream, **options) as events:
                        await anext(events)


def tail_of(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "trio_stream", "tail", *map(str, arguments)]


async def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return await trio.run_process(
        tail_of(*arguments),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=child.environment({}),
    )


@pytest.mark.slow
async def test_tail_prints_committed_events(tmp_path: Path) -> None:
    documents = some(20, "tail")
    chain = Chain()
    with trio.fail_after(DEADLINE):
        async with running(settings(tmp_path / "home")) as addresses:
            async with engine_at(addresses, "C38", chain) as engine:
                await engine.handshake()
                await engine.block(*map(encode, documents))
                state = tmp_path / "state"
                done = await run(
                    addresses.stream,
                    *("--after", "earliest", "--until", "tip"),
                    *("--json", "--state", state),
                )
                assert (done.returncode, done.stderr) == (0, b"")
                events = [json.loads(line) for line in done.stdout.splitlines()]
                assert [event["transaction_id"] for event in events] == ids(documents)
                again = await run(addresses.stream, "--until", "tip", "--state", state)
                assert (again.returncode, again.stdout) == (0, b"")
                state.write_text("1:0:00000000\n")
                refused = await run(addresses.stream, "--state", state)
                assert (refused.returncode, refused.stdout) == (2, b"")
                (line,) = refused.stderr.splitlines()
                assert b"409" in line


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_tail_ends_well_when_it_is_asked_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    documents = some(3, "tail")
    state = tmp_path / "state"
    with trio.fail_after(DEADLINE):
        async with running(settings(tmp_path / "home")) as addresses:
            async with (
                engine_at(addresses, "C38") as engine,
                trio.open_nursery() as nursery,
            ):
                await engine.handshake()
                await engine.block(*map(encode, documents))
                command = tail_of(
                    addresses.stream, "--after", "earliest", "--state", state
                )
                start = partial(
                    trio.run_process,
                    command,
                    stdout=subprocess.PIPE,
                    env=child.environment({}),
                )
                process: trio.Process = await nursery.start(start)
                assert process.stdout is not None
                printed = b""
                while printed.count(b"\n") < 3:
                    printed += await process.stdout.receive_some()
                # It waits for more once it has saved.
                await child.poll(
                    partial(saved, state, f"1:2:{documents[2]['id'][:8]}\n"),
                    seconds=DEADLINE,
                    what="position",
                )
                process.send_signal(number)  # a status other than 0 is an error


async def saved(state: Path, text: str) -> bool | None:
    await trio.lowlevel.checkpoint()
    return (state.exists() and state.read_text() == text) or None


@pytest.mark.slow
async def test_tail_ends_well_when_nobody_reads(tmp_path: Path) -> None:
    with trio.fail_after(DEADLINE):
        async with running(settings(tmp_path / "home")) as addresses:
            async with engine_at(addresses, "C38") as engine:
                await engine.handshake()
                await engine.block(*map(encode, some(300, "tail")))
                tail = " ".join(tail_of(addresses.stream, "--after", "earliest"))
                done = await trio.run_process(
                    ["bash", "-c", f"set -o pipefail; {tail} | head -n 1"],
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                    env=child.environment({}),
                )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 1
