"""What clients of the door are told."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import lockstep_stream_pair, wait_all_tasks_blocked

from tests.jsonrpc.drop_in import BLOCK, TX, payment, site
from tests.jsonrpc.nodes import Node, passing
from tests.log.followed.made import event, hash_at, made
from trio_stream.cometbft.followed import Gap
from trio_stream.jsonrpc import door as under_test
from trio_stream.jsonrpc.answers import Failure
from trio_stream.jsonrpc.conversation import Patience
from trio_stream.jsonrpc.door import LINE_BYTES
from trio_stream.jsonrpc.passed_calls import PassedCalls
from trio_stream.jsonrpc.shares import STEP_BYTES, Shares
from trio_stream.log.followed.keep import Keep

FIRST = 5
NOT_FOUND = {
    "code": -32603,
    "message": "Internal error",
    "data": "subscription not found",
}


async def test_a_subscriber_gets_what_comes_from_then_on(tmp_path):
    async with site(tmp_path, payment(FIRST, "old")) as here:
        client = await here.client()
        await client.subscribe(TX, id="mine")
        here.append(payment(6, "a", "b"))
        first, second = await client.got(2)
        assert first["id"] == second["id"] == "mine"
        assert first["result"]["query"] == TX
        value = first["result"]["data"]["value"]["TxResult"]
        assert value["height"] == "6" and "index" not in value
        assert first["result"]["events"]["transfer.recipient"] == ["a"]
        assert second["result"]["data"]["value"]["TxResult"]["index"] == 1
        assert "position" not in first["result"]
        assert (
            b"101 Switching" in client.head
            and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.head
        )


async def test_several_subscriptions_of_several_clients(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        clients = [await here.client() for _ in range(3)]
        for each in clients:
            await each.subscribe("transfer.recipient = 'b'", id=1)
            await each.subscribe(BLOCK, id=2)
        here.append(payment(6, "a", "b"))
        here.append(payment(7, "b"))
        for each in clients:
            got = sorted(await each.frames(4))
            assert got == [("NewBlock", 6), ("NewBlock", 7), ("Tx", 6), ("Tx", 7)]
        figures = here.door.statistics()
        assert (figures.clients, figures.subscriptions, figures.queries) == (3, 6, 2)
        assert figures.frames_sent == 12 and figures.bytes_sent > 1000
        assert figures.kept_bytes > 0 and figures.most_behind == 0


@pytest.mark.parametrize("seconds", [0.0, 60.0])
async def test_blocks_are_given_in_place(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(under_test, "PASS_SECONDS", seconds)
    async with site(tmp_path, payment(FIRST)) as here:
        clients = [await here.client_on_socket() for _ in range(3)]
        for each, query in zip(clients, (TX, BLOCK, "a.b=1")):
            await each.subscribe(query)
        # Two blocks are read at once, and a gap ends what is there.
        here.append(payment(6, "a"), payment(7, "b"))
        assert await clients[0].frames(2) == [("Tx", 6), ("Tx", 7)]
        assert await clients[1].frames(2) == [("NewBlock", 6), ("NewBlock", 7)]
        here.append(Gap(8, 9, "pruned", "x"))
        for each in clients:
            assert (await each.get())["error"]["after"] == "9"
        statistics = here.door.statistics()
        assert statistics.frames_sent == 4 and statistics.most_behind == 0
        for each in clients:
            await each.close()
            assert await each.end() == 1000


async def test_answers_and_errors_are_the_engines(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client()
        await client.subscribe(TX)
        again = await client.ask("subscribe", ["tm.event = 'Tx'"], id=2)
        assert again["error"]["data"] == "already subscribed"
        wrong = await client.ask("subscribe", {"query": "tm.event = "}, id=3)
        assert wrong["error"]["data"].startswith("failed to parse query: offset 11: ")
        long = await client.ask("subscribe", {"query": "a = '" + "x" * 5000}, id=3)
        assert long["error"]["data"] == "maximum query length exceeded"
        other = await client.ask("unsubscribe", {"query": BLOCK}, id="x")
        assert other == {"jsonrpc": "2.0", "id": "x", "error": NOT_FOUND}
        done = await client.ask("unsubscribe", {"query": "tm.event = 'Tx'"}, id=4)
        assert done == {"jsonrpc": "2.0", "id": 4, "result": {}}
        assert (await client.ask("unsubscribe_all"))["error"] == NOT_FOUND
        await client.subscribe(TX)
        assert (await client.ask("unsubscribe_all"))["result"] == {}
        assert here.door.statistics().queries == 0
        await client.send("[]")
        assert "id" not in await client.get()
        await client.send('{"method": "health"}')
        passed = await client.ask("status", {"a": 1}, id=9)
        assert passed["result"] == {
            "method": "status",
            "params": {"a": 1},
            "may_post": True,
        }
        assert (await client.ask("fail"))["error"]["data"] == "no node answers"


async def test_resuming(tmp_path):
    blocks = [payment(height, "a", "b", "c") for height in (5, 6, 7)]
    async with site(tmp_path, *blocks) as here:
        client = await here.client()
        await client.subscribe(TX, after="earliest")
        got = await client.got(9)
        positions = [each["result"]["position"] for each in got]
        assert positions[0] == "5:0:" + blocks[0].block.tx_hashes[0][:8].lower()
        assert positions[8] == f"7::{hash_at(7).hex()[:8]}"
        # From each of them, exactly the rest.
        for seen, position in enumerate(positions):
            other = await here.client()
            await other.subscribe(TX, after=position)
            rest = await other.got(8 - seen)
            assert [each["result"]["position"] for each in rest] == positions[
                seen + 1 :
            ]
        # By a transaction's hash, as the engine writes it, and by a height.
        other = await here.client()
        await other.subscribe(TX, after=blocks[1].block.tx_hashes[1])
        assert await other.frames(4) == [("Tx", 6)] + [("Tx", 7)] * 3
        await other.subscribe(BLOCK, after=6, id=2)
        assert await other.frames(1) == [("NewBlock", 7)]
        here.append(payment(8, "a"))
        assert sorted(await other.frames(2)) == [("NewBlock", 8), ("Tx", 8)]


async def test_positions_where_a_query_holds_of_blocks_and_transactions(tmp_path):
    ended = [event("transfer", "recipient=a")]
    transfers = [event("transfer", "recipient=b")]
    async with site(
        tmp_path, made(5, transfers, ended=ended), made(6, ended=ended)
    ) as here:
        client = await here.client()
        await client.subscribe("transfer.recipient EXISTS", after=4)
        got = await client.got(5)
        kinds = [each["result"]["data"]["type"].rpartition("/")[2] for each in got]
        assert kinds == [
            "NewBlock",
            "NewBlockEvents",
            "Tx",
            "NewBlock",
            "NewBlockEvents",
        ]
        positions = [each["result"].get("position", "")[:3] for each in got]
        assert positions == ["", "", "5::", "", "6::"]


async def test_what_cannot_be_resumed_is_refused_as_by_the_streams(tmp_path):
    keep = Keep(blocks=2)
    blocks = [payment(height, "a") for height in range(5, 10)]
    async with site(tmp_path, *blocks, keep=keep) as here:
        here.log.prune()
        client = await here.client()
        for after, error in {
            "5": "pruned",
            "99": "ahead",
            "8::00000000": "other_history",
            "AB" * 32: "unknown_transaction",
            "soon": "bad_request",
        }.items():
            answer = await client.ask("subscribe", {"query": TX, "after": after})
            assert answer["error"]["code"] == -32000
            data = json.loads(answer["error"]["data"])
            assert (data["error"], data["oldest"]) == (error, 8)
        await client.subscribe(TX, after="earliest")
        assert await client.frames(2) == [("Tx", 8), ("Tx", 9)]


async def test_a_gap_ends_subscriptions_as_the_engine_ends_them(tmp_path):
    gap = Gap(6, 7, "discarded", "no node has the results")
    async with site(tmp_path, payment(FIRST, "a")) as here:
        client = await here.client()
        await client.subscribe(TX, id=7)
        here.append(gap, payment(8, "b"))
        told = await client.get()
        assert told["id"] == 7 and told["error"]["code"] == -32000
        assert told["error"]["data"] == (
            "subscription was canceled (reason: gap: blocks 6 to 7 are missing: discarded:"
            " no node has the results)"
        )
        await client.subscribe(TX, after=told["error"]["after"])
        assert await client.frames(1) == [("Tx", 8)]
        assert here.door.statistics().subscriptions == 1


async def test_who_is_overtaken_by_pruning_is_told(tmp_path):
    blocks = [payment(height, "a" * 50_000) for height in range(5, 15)]
    async with site(tmp_path, *blocks, keep=Keep(blocks=1)) as here:
        client = await here.client(streams=lockstep_stream_pair())
        await client.subscribe(TX, after="earliest")
        await wait_all_tasks_blocked()
        assert here.door.statistics().most_behind == 10
        while here.log.prune():
            pass
        got = []
        while "error" not in (message := await client.get()):
            got.append(message)
        assert (
            len(got) < 10 and "the oldest block here is 14" in message["error"]["data"]
        )
        assert message["error"]["after"] == "13"


async def test_passed_answers_of_clients_that_do_not_read_have_room_together(tmp_path):
    large = Node(b'{"result":"%b"}' % (b"x" * (5 * STEP_BYTES)))
    async with passing(large) as to:
        to.shares = Shares(16 * STEP_BYTES)
        async with site(tmp_path, payment(5), passes=PassedCalls(to)) as here:
            lazy = [await here.client(streams=lockstep_stream_pair()) for _ in "ab"]
            for each in lazy:
                await each.call("genesis")
            # More are not even read.
            here.nursery.start_soon(lazy[0].call, "genesis")
            await wait_all_tasks_blocked(0.1)
            held = to.shares.taken
            assert 10 * STEP_BYTES <= held < 11 * STEP_BYTES
            assert len(large.asked) == 2
            quick = await here.client()
            large.body = b'{"result":"small"}'
            assert await quick.ask("status") == {"result": "small"}
            await wait_all_tasks_blocked(0.1)
            assert to.shares.taken == held
            # One of them reads, the other one goes away.
            large.body = b'{"result":"small"}'
            assert len((await lazy[0].get())["result"]) == 5 * STEP_BYTES
            assert await lazy[0].get() == {"result": "small"}
            assert to.shares.taken < 6 * STEP_BYTES
            await trio.aclose_forcefully(lazy[1].stream)
            await wait_all_tasks_blocked(0.1)
            assert to.shares.taken == 0
            # A large one after that finds room.
            large.body = b'{"result":"%b"}' % (b"y" * (10 * STEP_BYTES))
            assert len((await quick.ask("genesis"))["result"]) == 10 * STEP_BYTES
            await wait_all_tasks_blocked(0.1)
            assert to.shares.taken == 0


async def test_a_slow_reader_holds_nobody_up_and_loses_nothing(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        slow = await here.client(streams=lockstep_stream_pair())
        quick = await here.client()
        for each in (slow, quick):
            await each.subscribe(TX)
        for height in range(6, 40):
            here.append(payment(height, "x" * 30_000, "y"))
            assert await quick.frames(2) == [("Tx", height)] * 2
        assert here.door.statistics().most_behind >= 30
        frames = await slow.frames(68)
        assert frames == [("Tx", height) for height in range(6, 40) for _ in "xy"]
        here.append(payment(40, "z"))
        assert await slow.frames(1) == [("Tx", 40)]


async def test_large_frames_come_in_pieces_that_are_not_kept(tmp_path):
    events = [event("big", f"n={n}", "filler=" + "f" * 1000) for n in range(1500)]
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client()
        await client.subscribe("big.n = 7", after=5)
        here.append(made(6, [events[7]], events, ended=events), payment(7))
        got = await client.got(4)
        kinds = [each["result"]["data"]["type"].rpartition("/")[2] for each in got]
        assert kinds == ["NewBlock", "NewBlockEvents", "Tx", "Tx"]
        assert got[1]["result"]["data"]["value"]["events"] == events
        results = got[0]["result"]["data"]["value"]["result_finalize_block"][
            "tx_results"
        ]
        assert results[1]["events"] == events
        assert (
            got[3]["result"]["data"]["value"]["TxResult"]["result"]["events"] == events
        )
        assert here.door.statistics().frames_sent == 4


async def test_the_end(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client()
        await client.subscribe(TX)
        here.append(payment(6, "a"))
        here.stop.set()
        assert await client.frames(1) == [("Tx", 6)]
        assert await client.end() == 1001
        assert here.reasons == ["the channel has ended"]


async def test_closing(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client()
        await client.ping()
        await client.ask("status")
        assert client.pongs == 1
        await client.close(1000)
        assert await client.end() == 1000
        other = await here.client()
        await other.ask("status")
        await other.stream.aclose()
        await wait_all_tasks_blocked()
        assert here.reasons == ["closed by the client: 1000", "closed without Close"]
        assert here.door.statistics().clients == 0


async def test_a_token_that_is_withdrawn(tmp_path):
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client(may_post=False)
        assert not (await client.ask("status"))["result"]["may_post"]
        here.withdraw()
        assert await client.end() == 1008
        assert here.reasons == ["its token was withdrawn"]


@pytest.mark.parametrize("answers", [True, False])
async def test_idle_clients_are_pinged(tmp_path, autojump_clock, answers):
    patience = Patience(ping_interval=20, pong_timeout=10)
    async with site(tmp_path, payment(FIRST), patience=patience) as here:
        client = await here.client()
        client.answers_pings = answers
        await client.subscribe(TX)
        with trio.move_on_after(100):
            code = await client.end()
            assert not answers and code == 1011 and client.pings == 1
            return
        assert answers and client.pings == 4


async def test_who_takes_nothing_is_cut(tmp_path, autojump_clock):
    patience = Patience(stall_timeout=60)
    async with site(tmp_path, payment(FIRST), patience=patience) as here:
        ours, theirs = lockstep_stream_pair()
        client = await here.client(streams=(ours, theirs))
        await client.subscribe(TX)
        here.append(payment(6, "a"))
        await trio.sleep(59)
        assert not here.reasons
        await trio.sleep(2)
        assert "stalled: took nothing for 60 s" in here.reasons[0]


async def test_who_asks_but_never_reads_is_not_listened_to(tmp_path, autojump_clock):
    async with site(tmp_path, payment(FIRST)) as here:
        client = await here.client(streams=lockstep_stream_pair())
        await client.ask("status")
        sent = 0
        with trio.move_on_after(50):
            while True:
                await client.call("status")
                sent += 1
        assert sent < 5
        await trio.sleep(20)
        assert "stalled" in here.reasons[0]


@pytest.mark.parametrize(
    ("answer", "is_new"),
    [
        ({"result": {"finalize_block_events": []}}, True),
        ({"result": {"begin_block_events": []}}, False),
        ({"result": {"x": "x" * LINE_BYTES}}, True),
    ],
)
async def test_a_node_says_how_queries_are_read_before_there_are_blocks(
    tmp_path, autojump_clock, answer, is_new
):
    asked = []

    async def passes(call, *, may_post, until_sent):
        asked.append(call.method)
        await trio.lowlevel.checkpoint()
        if len(asked) == 1:
            raise Failure("no node answers yet")
        return json.dumps({"id": call.id, **answer}).encode()

    async with site(tmp_path, passes=passes) as here:
        client = await here.client()
        assert asked == ["block_results"] * 2
        await client.subscribe(TX)
        # From 0.38 on blanks do not count.
        again = await client.ask("subscribe", {"query": "tm.event = 'Tx'"})
        assert ("error" in again) == is_new


async def test_no_node_says_how_queries_are_read(tmp_path, autojump_clock):
    async def passes(call, *, may_post, until_sent):
        await trio.lowlevel.checkpoint()
        raise Failure("no node answers")

    async with site(tmp_path, passes=passes) as here:
        await (await here.client()).subscribe(TX)
