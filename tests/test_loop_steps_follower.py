"""No step of the event loop is long for a follower's streams: live, replayed, pulled, with queries.

Blocks have many transactions, or few with very many events, or values as long as there are; what is
asked for has as many conditions as one subscriber may have, beside as many as all may have.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
import trio

from tests.log.followed.made import CHAIN, event, made, transfer
from tests.loop_steps import TRIES, assert_short_steps
from tests.served_follower import STREAMS, ServedFollower, served_follower
from tests.websocket_peer import request
from trio_stream.cometbft.followed import FollowedBlock
from trio_stream.feeds.matching import MOST_CONDITIONS as MOST_OF_ALL
from trio_stream.feeds.request import MOST_CONDITIONS
from trio_stream.log.followed.writer import FollowedLog

# Coverage would be measured along with the steps.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

PATIENCE = 200
TXS = 3_000
EVENTS = 4_000
"""Of one transaction, and of a block by itself."""
LONG = 30_000
"""Characters of a value."""
FIRST = 5


def crowded(height: int) -> FollowedBlock:
    """Very many transactions."""
    events = [[transfer(f"me{n % 7}", f"{n}uatom"), event("tip")] for n in range(TXS)]
    return made(height, *events)


def eventful(height: int) -> FollowedBlock:
    """Very many events of one transaction, and of the block."""
    some = [transfer(f"you{n}", f"{n}uatom") for n in range(EVENTS)]
    return made(height, some, ended=[event("mint", f"n={n}") for n in range(EVENTS)])


def wordy(height: int) -> FollowedBlock:
    """Values of great length, and events of many attributes."""
    value = "x" * LONG + "you"
    many = event("wide", *(f"k{n}={n}" for n in range(EVENTS)))
    long = [event("wasm", f"to={n}{value}") for n in range(10)]
    return made(height, [many, *long, transfer("me1")], ended=[many, *long])


KINDS: dict[str, Callable[[int], FollowedBlock]] = {
    "crowded": crowded,
    "eventful": eventful,
    "wordy": wordy,
}


@cache
def block(kind: str, height: int) -> FollowedBlock:
    return KINDS[kind](height)


def asking(text: str | list[str], **more: str) -> str:
    queries = text if isinstance(text, list) else [text]
    pairs = [*(("query", each) for each in queries), *more.items()]
    return "".join(f"{name}={quote(value, safe='')}&" for name, value in pairs)


def of_many(form: str, count: int = 100) -> str:
    return " OR ".join(form.format(n) for n in range(count))


QUERIES = {
    "all": "",
    "full": "detail=full&",
    "position": "detail=position&",
    "few": asking("transfer.recipient = 'you5' OR transfer.recipient = 'me5'"),
    "full of few": asking("transfer.recipient CONTAINS 'me'", detail="full"),
    "one event": asking("transfer.amount > 5 AND transfer.recipient EXISTS")
    + "match=event&",
    "thresholds": asking(of_many("transfer.amount > {}")),
    "texts": asking(of_many("transfer.recipient CONTAINS '{}'")),
    "words": asking(of_many("wasm.to CONTAINS '{}y'")),
    "hashes": asking(of_many("tx.hash CONTAINS '{}ABC'")),
    "not": asking(of_many("NOT mint.n = '{}'")),
    "keys": asking(of_many("wide.k{0} = '{0}'")),
}
DOORS = ["websocket", "http"]
FEEDS = ["transactions", "blocks", "events"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("follower")
    with FollowedLog.open(home) as log:
        log.begin(CHAIN)
        for height, kind in enumerate(KINDS, FIRST):
            log.append(block(kind, height))
    return home


@pytest.fixture
async def served(tmp_path: Path, home: Path) -> AsyncIterator[ServedFollower]:
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    threads = trio.to_thread.run_sync
    with trio.fail_after(PATIENCE):
        async with served_follower(
            tmp_path,
            chain=None,
            run_sync=threads,
            tail_bytes=1 << 26,
            send_buffer=1 << 17,
        ) as follower:
            yield follower


async def opened(follower: ServedFollower, door: str, target: str) -> trio.SocketStream:
    port = follower.stream_port if door == "websocket" else follower.http.port
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    if door == "websocket":
        await stream.send_all(request(target=target))
    else:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
        await stream.send_all(head.encode())
    return stream


async def read_up_to(stream: trio.SocketStream, *ends: bytes) -> bytes:
    """Take what comes until one of these is in it."""
    last = b""
    while not any(end in last for end in ends):
        piece = bytes(await stream.receive_some(64 * 1024))
        assert piece, last
        last = last[-200:] + piece
    return last


async def commit(follower: ServedFollower, each: FollowedBlock) -> None:
    tip = await trio.to_thread.run_sync(follower.log.append, each)
    follower.channel.advance(tip.height)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("name", QUERIES)
async def test_what_is_replayed_comes_in_short_steps(
    name: str, feed: str, served: ServedFollower
) -> None:
    # Each is asked for at both doors, of some feed.
    door = DOORS[(FEEDS.index(feed) + [*QUERIES].index(name)) % 2]
    end = b"event: end" if door == "http" else b"\x88\x02\x03\xe8"

    async def ask() -> None:
        target = f"{STREAMS}{feed}?{QUERIES[name]}after=earliest&until=tip"
        async with await opened(served, door, target) as stream:
            await read_up_to(stream, end)

    await assert_short_steps(ask)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("name", ["all", "full", "one event", "words"])
async def test_what_is_pulled_comes_in_short_steps(
    name: str, feed: str, served: ServedFollower
) -> None:

    async def ask() -> None:
        target = (
            f"/api/v1/events?stream={feed}&{QUERIES[name]}after=earliest&limit=1000"
        )
        async with await opened(served, "http", target) as stream:
            await read_up_to(stream, b'"tip": %d}' % (FIRST + len(KINDS) - 1))

    await assert_short_steps(ask)


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_new_comes_in_short_steps(
    kind: str, feed: str, served: ServedFollower
) -> None:
    """To all who ask for something else, at once."""
    first = FIRST + len(KINDS)
    last = [event("last", "n=1")]
    # What these take to make is not to be measured.
    new = [
        (block(kind, first + 2 * n), made(first + 2 * n + 1, last, ended=last))
        for n in range(TRIES)
    ]

    async def read_to_the_end(stream: trio.SocketStream) -> None:
        async with stream:
            await read_up_to(stream, b'"last"')

    async def follow_two_blocks() -> None:
        blocks = new.pop(0)
        async with trio.open_nursery() as nursery:
            for number, query in enumerate(QUERIES.values()):
                also = asking("last EXISTS") if "query" in query else ""
                target = f"{STREAMS}{feed}?{query}{also}notices=1"
                door = DOORS[number % 2]
                stream = await opened(served, door, target)
                await read_up_to(stream, b"caught_up")
                nursery.start_soon(read_to_the_end, stream)
            for each in blocks:
                await commit(served, each)

    await assert_short_steps(follow_two_blocks)


async def test_subscribers_with_very_many_conditions_come_and_go_in_short_steps(
    served: ServedFollower,
) -> None:
    """Beside others, so that there are as many conditions as are matched."""
    few = MOST_CONDITIONS // 4
    texts = ["k={}", "k>{}", "k CONTAINS '{}'", "k{}=1"]
    heights = iter(range(FIRST + len(KINDS), 1000))

    def target(number: int) -> str:
        """No two have a condition in common; none of them holds of anything."""
        queries = []
        for text in texts:
            for start in range(0, few, few // 2):
                some = range(number * few + start, number * few + start + few // 2)
                queries.append(" OR ".join(text.format(n) for n in some))
        # As short as can be, to have room in a request.
        return f"{STREAMS}events?notices=1&{asking(queries)}".replace("%20", "+")

    async def subscribed(number: int) -> trio.SocketStream:
        stream = await opened(served, "websocket", target(number))
        await read_up_to(stream, b"caught_up")
        return stream

    numbers = iter(range(10_000))
    crowd = [
        await subscribed(next(numbers))
        for _ in range(MOST_OF_ALL // MOST_CONDITIONS - 2)
    ]

    async def come_and_go() -> None:
        height = next(heights)
        some = [await subscribed(next(numbers)) for _ in range(2)]
        await commit(served, made(height, [event("k", "x=1")]))
        for each in some:
            await each.aclose()
        await commit(served, made(next(heights), [event("k", "x=1")]))

    await assert_short_steps(come_and_go)
    for each in crowd:
        await each.aclose()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "query",
    [
        asking([of_many("a.b{}=1", 128)] * 9),
        asking("(" * 4000),
        "query=" + "%27" * 5000,
        "query=" + "(" * 16 + "a=1" + ")" * 15,
        "".join(f"contract={n}&" for n in range(1200)),
        "".join(f"query=a={n}&" for n in range(1200)),
        asking(" AND ".join(f"{'n' * 27}{n:03}=1" for n in range(126))) * 3,
        asking(" AND ".join(f"{'é' * 5}{n}=1" for n in range(126))) * 3,
    ],
    ids=[
        "conditions",
        "open",
        "quotes",
        "levels",
        "contracts",
        "queries",
        "names",
        "é",
    ],
)
async def test_large_questions_are_read_in_short_steps(
    door: str, query: str, served: ServedFollower
) -> None:

    async def ask() -> None:
        target = f"{STREAMS}transactions?{query}".replace("%20", "+")
        async with await opened(served, door, target) as stream:
            assert b"HTTP/1.1" in await stream.receive_some(1000)

    await assert_short_steps(ask)
