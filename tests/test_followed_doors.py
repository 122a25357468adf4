"""Both doors in front of a followed chain: they are those of a node, and know no difference."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.garbage import garbage_of, without_an_untraced_ring
from tests.log.followed.made import event, made, transfer
from tests.served_follower import STREAMS, ServedFollower, served_follower
from tests.websocket_peer import CLOSE, TEXT, Peer
from trio_stream.cometbft.followed import FollowedBlock, Gap
from trio_stream.log.followed.keep import Keep
from trio_stream.stream.position import Position
from trio_stream.stream.resume import ResumeRefused

FEEDS = ("transactions", "blocks", "events")
QUERY = "query=transfer.recipient%3D%27me%27"
HISTORY: list[FollowedBlock | Gap] = [
    made(5, [transfer("me"), transfer("you"), event("tip")], [], ended=[event("mint")]),
    Gap(6, 8, "pruned", "the node begins at block 9"),
    made(9),
    made(
        10, [transfer("you")], [transfer("me")], ended=[event("mint"), event("slash")]
    ),
]
PATIENCE = 300


async def followed(follower: ServedFollower, target: str, count: int) -> list[Any]:
    """So many messages from the WebSocket."""
    peer = await follower.subscribe(target)
    return [json.loads(text) for text in await peer.texts(count)]


async def listened(follower: ServedFollower, target: str, count: int) -> list[Any]:
    """The same by Server-Sent Events, each with its id."""
    answer = await follower.http.listen(STREAMS + target)
    assert answer.status == 200
    return [
        (each.get("id"), json.loads(each["data"]))
        for each in await answer.messages(count)
    ]


async def pulled(follower: ServedFollower, query: str) -> list[Any]:
    """Everything that pulls give, one after the other, as long as they give something."""
    found: list[Any] = []
    after = "earliest"
    while True:
        answer = await follower.http.pull(f"?{query}&after={after}")
        if not answer["events"]:
            return found
        found.append(answer["events"])
        after = answer["next"]


async def close_of(peer: Peer) -> tuple[list[str], Any]:
    """All messages up to the Close, and what that says."""
    texts: list[str] = []
    while True:
        opcode, payload = await peer.next()
        if opcode == CLOSE:
            return texts, payload
        assert opcode == TEXT
        texts.append(str(payload))


def units(messages: list[Any]) -> list[list[Any]]:
    """Messages with positions, by position: only the last of each says it."""
    found: list[list[Any]] = [[]]
    for each in messages:
        found[-1].append(each)
        if "position" in each:
            found.append([])
    assert found.pop() == []
    return found


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("query", ["", QUERY])
async def test_all_doors_give_the_same(
    tmp_path: Path, feed: str, query: str, live: bool
) -> None:
    count = {
        ("transactions", ""): 5, ("blocks", ""): 4, ("events", ""): 9,
        ("transactions", QUERY): 3, ("blocks", QUERY): 1, ("events", QUERY): 3,
    }[feed, query]  # fmt: skip
    got: dict[str, list[Any]] = {}

    async def follow(name: str, target: str) -> None:
        got[name] = await followed(follower, target, count)

    async def listen(name: str, target: str) -> None:
        got[name] = await listened(follower, target, count)

    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            if not live:
                follower.append(*HISTORY)
            async with trio.open_nursery() as nursery:
                for door in (follow, listen):
                    for form in ("", "&detail=position"):
                        target = f"{feed}?after=earliest&{query}{form}"
                        nursery.start_soon(door, door.__name__ + form, target)
                if live:
                    await trio.sleep(0.01)
                    for each in HISTORY:
                        follower.append(each)
            plain, rich = got["follow"], got["follow&detail=position"]
            assert [each for _, each in got["listen"]] == plain
            assert [each for _, each in got["listen&detail=position"]] == rich
            ids = [id_ for id_, _ in got["listen"]]
            assert ids == [each.get("position") for each in rich]
            pulls = await pulled(follower, f"stream={feed}&{query}&limit=1")
            assert sum(pulls, []) == plain
            richly = f"stream={feed}&{query}&limit=1&detail=position"
            assert await pulled(follower, richly) == units(rich)
            gap = {
                "first": 6, "last": 8, "reason": "pruned",
                "detail": "the node begins at block 9",
            }  # fmt: skip
            assert [each for each in plain if "gap" in each] == [
                {"gap": gap, "position": "8"}
            ]


async def test_from_every_position_comes_exactly_the_rest(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            follower.append(*HISTORY)
            whole = await followed(follower, "events?after=earliest&detail=position", 9)
            rest = units(whole)
            while rest:
                position, rest = rest[0][-1]["position"], rest[1:]
                wanted = sum(rest, [])
                query = f"detail=position&after={position}"
                assert (
                    await followed(follower, f"events?{query}", len(wanted)) == wanted
                )
                pulls = await pulled_after(follower, position)
                assert pulls == wanted
                answer = await follower.http.listen(
                    STREAMS + "events?detail=position&until=tip", Last_Event_ID=position
                )
                got = [
                    json.loads(each["data"])
                    for each in await answer.messages(len(wanted))
                ]
                assert got == wanted


async def pulled_after(follower: ServedFollower, position: str) -> list[Any]:
    query = f"?stream=events&detail=position&after={position}"
    return (await follower.http.pull(query))["events"]  # type: ignore[no-any-return]


async def test_a_transaction_is_a_place_however_its_hash_is_written(
    tmp_path: Path,
) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            follower.append(*HISTORY)
            hash_ = made(10, [], []).block.tx_hashes[1]
            for written in (hash_.upper(), hash_.lower()):
                (block,) = await followed(follower, f"blocks?after={written}", 1)
                assert block["height"] == 10
                last_id = await follower.http.listen(
                    STREAMS + "blocks", Last_Event_ID=written
                )
                assert json.loads((await last_id.messages(1))[0]["data"]) == block


async def test_who_takes_it_for_a_node_is_told_what_there_is(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            for accept in ("text/event-stream", "*/*"):
                answer = await follower.http.ask(
                    f"{STREAMS}valid_transactions?after=earliest", Accept=accept
                )
                said = json.loads(await answer.whole())
                assert (answer.status, said["error"]) == (404, "unknown_stream")
            answer = await follower.http.ask("/api/v1/events?asset_id=x")
            said = json.loads(await answer.whole())
            assert (answer.status, said["error"]) == (400, "bad_request")
            assert "belongs to a BigchainDB node" in said["message"]


async def test_a_stream_ends_where_it_is_asked_to(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            follower.append(*HISTORY[:2])
            for until, count in (("5", 4), ("7", 4), ("8", 5), ("tip", 5)):
                peer = await follower.subscribe(f"events?after=earliest&until={until}")
                texts, close = await close_of(peer)
                assert (len(texts), close[0]) == (count, 1000)


async def test_notices_come_between_units_and_say_where_the_client_is(
    tmp_path: Path,
) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            follower.append(*HISTORY)
            peer = await follower.subscribe(
                "events?after=earliest&until=tip&notices=1&detail=position"
            )
            texts, close = await close_of(peer)
            found = [json.loads(each) for each in texts]
            notices = [each for each in found if "notice" in each]
            assert notices[0]["notice"] == "subscribed"
            assert notices[0]["oldest"] == 5
            assert notices[-1]["position"] == f"10::{made(10).hash.hex()[:8]}"
            assert units([each for each in found if "notice" not in each])
            assert close[0] == 1000


async def test_a_slow_reader_gets_whole_units_though_they_are_larger_than_its_buffers(
    tmp_path: Path,
) -> None:
    many = [event("wasm", f"step={number}", "x=" + "y" * 300) for number in range(150)]
    blocks = [made(height, many, [], many[:7]) for height in range(5, 11)]
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path, tail_bytes=1 << 16) as follower:
            targets = [
                "events",
                "events?query=tm.event%3D%27Tx%27",
                "events?detail=position",
            ]
            peers = [
                await follower.subscribe(target, receive_buffer=4096)
                for target in targets
            ]
            for block in blocks:
                follower.append(block)
                await trio.lowlevel.checkpoint()
            count = 157 * len(blocks)
            for peer in peers:
                found = [json.loads(each) for each in await peer.texts(count)]
                places = [
                    (each["height"], each["index"], each["event_index"])
                    for each in found
                ]
                assert places == [
                    (height, index, number)
                    for height in range(5, 11)
                    for index, events in ((0, 150), (2, 7))
                    for number in range(events)
                ]


async def test_a_transaction_with_thousands_of_events_is_given_as_one(
    tmp_path: Path,
) -> None:
    count = 3_000
    many = [
        event("wasm", f"step={number}", "x=" + "y" * 200) for number in range(count)
    ]
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path) as follower:
            follower.append(made(5, many))
            sse = await follower.http.listen(STREAMS + "events?after=earliest")
            got = await sse.messages(count)
            assert [json.loads(each["data"])["event_index"] for each in got] == [
                *range(count)
            ]
            assert [number for number, each in enumerate(got) if "id" in each] == [
                count - 1
            ]
            pulled = await follower.http.pull("?stream=events&after=earliest&limit=1")
            assert [json.dumps(each) for each in pulled["events"]] == [
                each["data"] for each in got
            ]
            assert pulled["next"] == got[-1]["id"]


def padded(height: int) -> FollowedBlock:
    """A block of which a page of the log holds a few, however it is compressed."""
    noise = random.Random(height).randbytes(30_000).hex()
    return made(height, [transfer("me"), event("pad", f"x={noise}")])


def overtaken(follower: ServedFollower) -> None:
    """Let the log drop what those are at who read slowly."""
    follower.append(*map(padded, range(65, 68)))
    follower.prune()


@pytest.mark.parametrize("selection", ["transactions?", f"events?{QUERY}&"])
async def test_a_slow_reader_that_pruning_overtakes_is_told_and_resumes_at_the_oldest(
    tmp_path: Path, selection: str
) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(
            tmp_path, keep=Keep(blocks=2), tail_bytes=1
        ) as follower:
            follower.append(*map(padded, range(5, 65)))
            peer = await follower.subscribe(
                f"{selection}after=earliest&notices=1&detail=full", receive_buffer=4096
            )
            sse = await follower.http.listen(
                f"{STREAMS}{selection}after=earliest&detail=full", receive_buffer=4096
            )
            overtaken(follower)
            texts, (code, reason) = await close_of(peer)
            found = [json.loads(each) for each in texts]
            assert (code, reason) == (4410, "pruned")
            refused = found.pop()
            assert (refused["notice"], refused["status"]) == ("refused", 410)
            assert refused["oldest"] == 66
            heights = [each["height"] for each in found if "notice" not in each]
            assert heights == list(range(5, 5 + len(heights))) and len(heights) < 50

            last = None
            while (got := await sse.event()).get("event") != "refused":
                last = got.get("id", last)
            assert json.loads(got["data"])["oldest"] == 66 and got["id"] == "refused"
            assert last is not None and int(last.partition(":")[0]) < 50
            again = await follower.http.ask(
                f"/api/v1/events?after={last}&stream=transactions"
            )
            body = json.loads(await again.whole())
            assert (again.status, body["error"], body["oldest"]) == (410, "pruned", 66)
            first, *_ = await followed(follower, f"{selection}after=earliest", 2)
            assert first["height"] == 66


@without_an_untraced_ring
async def test_nothing_is_left_for_the_collector_whatever_becomes_of_a_client(
    tmp_path: Path,
) -> None:
    with trio.fail_after(PATIENCE):
        async with served_follower(tmp_path, keep=Keep(blocks=2)) as follower:
            follower.append(*map(padded, range(5, 10)))
            follower.prune()

            async def over_websocket(query: str) -> None:
                peer = await follower.subscribe(query)
                await close_of(peer)

            async def over_http(path: str) -> None:
                answer = await follower.http.listen(path)
                await answer.whole()

            async def overtaken_reader() -> None:
                channel = follower.channel
                selection = channel.streams.reader.pull("stream=events").selection
                with channel.clone(Position.end_of(5), selection=selection) as clone:
                    with pytest.raises(ResumeRefused):
                        await clone.receive()

            left = await garbage_of(
                {
                    "end": partial(over_websocket, "events?after=earliest&until=tip"),
                    "refused": partial(over_websocket, "events?after=5&notices=1"),
                    "sse": partial(over_http, STREAMS + "events?after=5"),
                    "sse to the end": partial(
                        over_http, STREAMS + "blocks?after=earliest&until=tip"
                    ),
                    "pull": partial(over_http, "/api/v1/events?after=5&stream=blocks"),
                    "unreadable": partial(over_http, "/api/v1/events?query=("),
                    "misplaced": partial(over_http, STREAMS + "valid_blocks"),
                    "overtaken": overtaken_reader,
                }
            )
            assert not any(left.values()), left
