"""Server-Sent Events and pulls, over the real server, in front of a log in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.http.streaming import BLOCKS, REFUSED, datas, served
from tests.memory_log import CHAIN, KEYS, app_hash, event
from tests.websocket.subscribing import end_of, position_of, texts_of
from tests.websocket_peer import PATH, comes_true
from trio_stream.http.events import EventStreams


async def test_a_stream_begins_with_its_facts() -> None:
    async with served(blocks=2) as server:
        answer = await server.listen(f"{PATH}?after=1:0", Origin="http://a")

        assert answer.status == 200
        position = position_of(server.log, 1, 0)
        assert answer.headers.items() >= {
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
            ("access-control-allow-origin", "http://a"),
            ("stream-position", position),
            ("stream-tip", "2"),
            ("stream-oldest", "1"),
            ("stream-chain", CHAIN),
        }
        assert 1000 <= int((await answer.event())["retry"]) <= 4000


@pytest.mark.parametrize("tail_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    "path",
    [
        PATH,
        f"{PATH}?detail=position",
        f"{PATH}?detail=full",
        f"{PATH}?public_key={KEYS[0]}",
        f"{PATH}?operation=CREATE&detail=position",
        f"{BLOCKS}?empty_blocks=1",
        f"{BLOCKS}?detail=position",
        REFUSED,
        f"{REFUSED}?detail=position",
    ],
)
async def test_messages_are_the_same_as_on_the_websocket(
    path: str, tail_bytes: int
) -> None:
    async with served(tail_bytes=tail_bytes) as server:
        live = await server.listen(path)
        await wait_all_tasks_blocked()
        for events, refusals in [(3, [0]), (0, []), (4, [1, 2]), (1, [])]:
            height = server.log.commit(events, refused=refusals)
            server.channel.advance(height)
            await wait_all_tasks_blocked()
        joint = "&" if "?" in path else "?"
        late = await server.listen(f"{path}{joint}after=earliest")

        wanted = texts_of(server.log, path)
        for answer in (live, late):
            assert datas(await answer.messages(len(wanted))) == wanted


async def test_each_message_has_its_position_as_id() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest")

        found = await answer.messages(3)

        assert [each["id"] for each in found] == [
            position_of(server.log, 1, index) for index in range(3)
        ]


async def test_the_last_id_wins_over_the_query() -> None:
    async with served(blocks=3) as server:
        for query in ("?after=earliest", "?from_height=1", ""):
            answer = await server.listen(PATH + query, Last_Event_ID="2:1")
            assert datas(await answer.messages(4)) == texts_of(server.log, PATH)[5:]


@pytest.mark.parametrize(
    "query",
    [
        "lastEventId=2%3A1",
        "after=earliest&Last-Event-ID=2:1",
        "last-event-id=2:1&from_height=1",
        "lastEventId=1:1&detail=position&lastEventId=2:1",
    ],
)
async def test_the_last_id_may_be_said_in_the_query(query: str) -> None:
    async with served(blocks=3) as server:
        answer = await server.listen(f"{PATH}?{query}")
        found = [json.loads(data) for data in datas(await answer.messages(4))]
        wanted = [json.loads(text) for text in texts_of(server.log, PATH)[5:]]
        ids = "transaction_id"
        assert [each[ids] for each in found] == [each[ids] for each in wanted]


async def test_of_two_last_ids_that_of_the_header_counts() -> None:
    async with served(blocks=3) as server:
        path = f"{PATH}?lastEventId=1:1"
        answer = await server.listen(path, Last_Event_ID="2:1")
        assert datas(await answer.messages(4)) == texts_of(server.log, PATH)[5:]
        for nothing in ("?lastEventId=", "?lastEventId"):
            answer = await server.listen(f"{PATH}{nothing}&after=earliest")
            assert datas(await answer.messages(9)) == texts_of(server.log, PATH)


@pytest.mark.parametrize("last", ["refused", "end"])
async def test_who_says_in_the_query_that_it_was_refused_gets_204(last: str) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest&lastEventId={last}")
        assert (answer.status, await answer.whole()) == (204, b"")


async def test_who_uses_fetch_for_that_gets_a_status_with_a_body() -> None:
    # event-source-polyfill 1.0.31 comes again for ever after 204.
    async with served(blocks=1) as server:
        path = f"{PATH}?lastEventId=refused"
        answer = await server.listen(path, Sec_Fetch_Mode="cors")
        assert (answer.status, await answer.whole()) == (410, b"")
        # Browsers' own clients say it in the header.
        answer = await server.listen(PATH, Last_Event_ID="end", Sec_Fetch_Mode="cors")
        assert answer.status == 204


@pytest.mark.parametrize("last", ["x", "%00", "\xff"])
async def test_a_last_id_in_the_query_that_is_none_is_refused(last: str) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?lastEventId={quote(last)}")
        told = await answer.event()
        assert (told["event"], told["id"]) == ("refused", "refused")


async def test_an_empty_last_id_says_nothing() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest", Last_Event_ID="")
        assert datas(await answer.messages(3)) == texts_of(server.log, PATH)


@pytest.mark.parametrize(
    ("query", "last", "error"),
    [
        ("?since=1", "", "bad_request"),
        ("", "x", "bad_request"),
        ("?after=1::12345678", "", "other_history"),
        ("?after=" + "0" * 64, "", "unknown_transaction"),
    ],
)
async def test_a_refusal_is_an_event_and_the_retry_gets_204(
    query: str, last: str, error: str
) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(PATH + query, Last_Event_ID=last)
        assert answer.status == 200
        told = await answer.event()
        assert told["event"] == told["id"] == "refused"
        assert json.loads(told["data"])["error"] == error
        await answer.whole()

        again = await server.listen(PATH + query, Last_Event_ID=told["id"])
        assert (again.status, await again.whole()) == (204, b"")


async def test_who_is_ahead_may_come_again() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=500")

        assert 11_000 <= int((await answer.event())["retry"]) <= 14_000
        told = await answer.event()
        assert json.loads(told["data"])["error"] == "ahead"
        assert "id" not in told


async def test_another_history_may_show_later() -> None:
    async with served() as server:
        answer = await server.listen(f"{PATH}?after=1::12345678")
        await answer.event()
        server.commit()

        assert (await answer.event())["event"] == "refused"
        await answer.whole()


async def test_an_end_that_was_asked_for_is_said() -> None:
    async with served(blocks=3) as server:
        answer = await server.listen(f"{PATH}?from_height=2&until=2")

        assert datas(await answer.messages(3)) == texts_of(server.log, PATH)[3:6]
        assert await answer.event() == {"id": end_of(2)}
        told = await answer.event()
        assert (told["event"], told["id"]) == ("end", "end")
        assert json.loads(told["data"]) == {"position": end_of(2)}
        await answer.whole()
        again = await server.listen(PATH, Last_Event_ID="end")
        assert again.status == 204


async def test_history_without_a_match_ends_with_its_last_position() -> None:
    async with served(blocks=3, tail_bytes=1) as server:
        nothing = f"{PATH}?asset_id={'0' * 64}&after=earliest&until=2"
        answer = await server.listen(nothing)

        assert "retry" in await answer.event()
        assert await answer.event() == {"id": end_of(2)}
        assert (await answer.event())["event"] == "end"
        assert await answer.whole() == b""


@pytest.mark.parametrize("notices", [False, True])
async def test_a_stop_is_told_with_the_last_position(notices: bool) -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=1&notices={notices:d}")
        while (await answer.event()).get("id") != end_of(1):
            pass  # which says that it has caught up
        server.commit()
        await answer.messages(1)
        server.stop.set()
        await server.answered.wait()
        server.channel_stop.set()

        told = await answer.event()
        assert told["id"] == end_of(2)
        assert ("data" in told) is notices
        if notices:
            assert json.loads(told["data"])["notice"] == "closing"
        assert await answer.whole() == b""


async def test_notices_are_events_of_their_own() -> None:
    async with served(blocks=1) as server:
        answer = await server.listen(f"{PATH}?after=earliest&notices=1")

        found = await answer.messages(5)

        notices = [x for x in found if x.get("event") == "notice"]
        kinds = [json.loads(x["data"])["notice"] for x in notices]
        assert kinds == ["subscribed", "caught_up"]
        assert notices[1]["id"] == end_of(1)


async def test_a_position_is_told_while_nothing_matches(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        answer = await server.listen(f"{PATH}?asset_id={'0' * 64}")
        await wait_all_tasks_blocked()
        for _ in range(3):
            server.commit()
        assert "retry" in await answer.event()
        while (told := await answer.event()) != {"id": end_of(3)}:
            assert told == {"id": "0::0a0a0a0a"}  # caught up, before the first block


async def test_a_silent_stream_is_kept_open_by_comments(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        answer = await server.listen(PATH)
        began = trio.current_time()
        while b"\n:\n\n" not in answer.data:
            answer.data += bytes((await answer.next()).data)
        assert trio.current_time() - began <= 20


@pytest.mark.slow
async def test_what_is_written_slowly_is_not_lost(patient_clock: MockClock) -> None:
    async with served() as server:
        written: list[bytes] = []

        async def send(message: Mapping[str, Any]) -> None:
            await trio.sleep(3)  # so that deadlines of any kind pass meanwhile
            written.append(message.get("body", b""))

        async with trio.open_nursery() as nursery:
            streams = EventStreams(server.channel)
            path = "valid_transactions"
            nursery.start_soon(streams.serve, path, "after=earliest", {}, send)
            for _ in range(8):
                await trio.sleep(7)
                server.commit()
            await trio.sleep(24)
            nursery.cancel_scope.cancel()

        lines = b"".join(written).decode().split("\n")
        got = [x.removeprefix("data: ") for x in lines if x.startswith("data: ")]
        assert got == texts_of(server.log, PATH)


async def test_a_reader_that_stalls_is_cut_after_its_time(
    patient_clock: MockClock,
) -> None:
    async with served() as server:
        stalled = await server.listen(PATH, receive_buffer=4096)
        await wait_all_tasks_blocked()
        server.commit(30_000)  # more than the sockets' buffers hold
        await trio.sleep(59)
        assert server.app.lasting() == 1

        # The kernel may find room for some bytes more, which is progress.
        assert await comes_true(lambda: not server.app.lasting(), seconds=300)
        assert stalled.status == 200


async def test_browsers_do_not_come_back_all_at_once() -> None:
    async with served() as server:
        answers = [await server.listen(PATH) for _ in range(8)]

        waits = {(await answer.event())["retry"] for answer in answers}

        assert len(waits) > 1


def test_hashes_of_these_logs_differ() -> None:
    assert app_hash(1) != app_hash(2) != event(1, 0).transaction_id
