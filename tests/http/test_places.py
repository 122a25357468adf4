"""Which connections have a place, which give way, and what those without a place are told."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock

from tests.http_door import GET, HOLD, everything, opened
from trio_stream.http.places import (
    ADDRESS_FULL,
    FULL,
    GRACE,
    HOLDING_GRACE,
    LATE,
    NO_ROOM,
    HttpGuest,
    HttpPlaces,
    TurnedAway,
)
from trio_stream.http.server import HttpLimits


class Here:
    """Guests of one set of places, and what they were let go for."""

    def __init__(self, **limits: object) -> None:
        self.places = HttpPlaces(HttpLimits(**limits))  # type: ignore[arg-type]
        self.gone: dict[str, TurnedAway] = {}

    def enter(
        self, name: str, peer: str = "10.0.0.1", *, begins: bool = True
    ) -> TurnedAway | None:
        def let_go(refusal: TurnedAway) -> None:
            self.gone[name] = refusal

        self.last = HttpGuest(self.places, peer, let_go)
        refusal = self.places.enter(self.last)
        if refusal is None and begins:
            self.last.begins()
        return refusal


async def test_the_connection_that_has_waited_longest_gives_way(
    autojump_clock: MockClock,
) -> None:
    here = Here(max_connections=3, max_connections_per_address=0)
    for name in "abc":
        assert here.enter(name) is None
        if name == "a":
            here.last.works()
        await trio.sleep(1)
    assert here.enter("d") is None
    assert here.enter("e") is None
    assert list(here.gone) == ["b", "c"]
    assert here.enter("f") is FULL


async def test_connections_that_wait_for_their_turn_give_way_to_other_addresses_first(
    autojump_clock: MockClock,
) -> None:
    here = Here(max_connections=5, max_connections_per_address=3)
    assert here.enter("idle", "10.0.0.1") is None
    for name in "abc":
        assert here.enter(name, "10.0.0.2", begins=False) is None
    await trio.sleep(1)
    last = here.last
    assert here.enter("d", "10.0.0.2") is ADDRESS_FULL
    assert here.enter("e", "10.0.0.3") is None
    assert here.enter("f", "10.0.0.3") is None
    last.begins()
    await trio.sleep(1)
    assert here.enter("g", "10.0.0.4") is None
    assert here.enter("h", "10.0.0.4") is None
    assert list(here.gone) == ["a", "b", "idle"]


async def test_a_connection_that_begins_after_it_has_left_has_no_place(
    autojump_clock: MockClock,
) -> None:
    here = Here(max_connections=1, max_connections_per_address=0)
    assert here.enter("a", begins=False) is None
    await trio.sleep(9)
    here.places.leave(here.last)
    here.last.begins()
    assert here.enter("b") is None
    assert here.enter("c") is FULL


async def test_an_address_has_its_own_limit_and_proxies_have_none(
    autojump_clock: MockClock,
) -> None:
    here = Here(
        max_connections=100,
        max_connections_per_address=2,
        trusted_proxies=("10.9.0.0/16",),
    )
    for peer in ("10.0.0.1", "::ffff:10.0.0.2", "2001:db8::1", "fe80::1%eth0"):
        assert here.enter(peer, peer) is None
        assert here.enter(peer, peer) is None
        assert here.enter(peer, peer) is ADDRESS_FULL
    assert here.enter("same", "10.0.0.2") is ADDRESS_FULL
    assert here.enter("same", "2001:db8::2") is ADDRESS_FULL
    assert here.enter("other", "2001:db8:0:1::1") is None
    for _ in range(10):
        assert here.enter("proxy", "10.9.1.1") is None
    await trio.sleep(1)
    assert here.enter("10.0.0.1 again", "10.0.0.1") is None
    assert list(here.gone) == ["10.0.0.1"]


async def test_a_place_is_free_when_its_guest_leaves() -> None:
    here = Here(max_connections=1, max_connections_per_address=1)
    for _ in range(3):
        assert here.enter("a") is None
        await trio.lowlevel.checkpoint()
        guest = here.last
        assert here.enter("b") is ADDRESS_FULL
        assert here.enter("b", "10.0.0.2") is FULL
        here.places.leave(guest)
        here.places.leave(guest)
        guest.waits()
    assert here.places.waiting == 0


async def test_a_peer_without_an_address_counts_as_its_name() -> None:
    here = Here(max_connections=9, max_connections_per_address=1)
    assert here.enter("a", "socket") is None
    assert here.enter("b", "socket") is ADDRESS_FULL
    await trio.lowlevel.checkpoint()
    assert here.enter("c", "another") is None


def test_only_who_may_come_again_is_told_when() -> None:
    assert FULL.headers == (("retry-after", "5"),)
    assert LATE.headers == ()


async def test_who_holds_bytes_for_a_waiting_peer_gives_them_back_in_time(
    autojump_clock: MockClock,
) -> None:
    here = Here(
        max_connections=9, max_connections_per_address=0, bytes_under_way=100_000
    )
    guests = {}
    for name in ("small", "large", "works", "later"):
        assert here.enter(name) is None
        guests[name] = here.last
        await trio.sleep(1)
    assert await guests["small"].take(1_000)
    for name in ("large", "works", "later"):
        assert guests[name].take_now(30_000)
    guests["works"].works()
    # None has waited for long enough, and an answer does not wait.
    assert not guests["works"].take_now(20_000)
    assert here.gone == {}
    began = trio.current_time()

    def give_back() -> None:
        for name in here.gone:
            guests[name].give_back()

    async def take() -> None:
        assert await guests["works"].take(25_000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await trio.sleep(HOLDING_GRACE - 4 + 0.1)
        assert list(here.gone) == ["small"]
        await trio.sleep(1)
        assert list(here.gone) == ["small", "large"]
        give_back()
    assert here.gone["large"] is NO_ROOM and guests["large"].held == 0
    assert guests["works"].held == 55_000
    assert trio.current_time() - began < HOLDING_GRACE
    # Nothing else is held for a peer that is waited for, so it is looked for again.
    guests["later"].works()
    began = trio.current_time()
    assert not await guests["works"].take(90_000)
    assert trio.current_time() - began == pytest.approx(10 * GRACE)
    assert list(here.gone) == ["small", "large"]


async def test_slow_and_idle_connections_give_way_and_are_told_why(
    patient_clock: MockClock,
) -> None:
    begun = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    front = begun.replace(b"/", b"/front", 1)
    async with opened(max_connections=4, max_connections_per_address=0) as door:
        streams = []
        for sent in (b"", b"GET / HT", begun, front):
            streams.append(await door.connect())
            await streams[-1].send_all(sent)
            await trio.sleep(0.1)
        await trio.sleep(1)
        for _ in range(4):
            assert b" 200 OK\r\n" in await door.ask(HOLD.replace(b"/hold", b"/"))
            await trio.sleep(1)
        # The first made way for each of them, since the one before had left again.
        assert await everything(streams[0]) == b""
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(door.ask, HOLD)
                await trio.sleep(0.1)
            told = [await everything(stream) for stream in streams[1:]]
            for said in told:
                assert said.startswith(b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\n")
                assert b"\r\nretry-after: 5\r\n" in said
            door.go.set()
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"max_connections": 2, "max_connections_per_address": 0}, b"503"),
        ({"max_connections": 9, "max_connections_per_address": 2}, b"429"),
    ],
)
async def test_a_connection_without_a_place_gets_an_answer(
    limits: dict[str, int],
    status: bytes,
    patient_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(**limits) as door, trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(door.ask, HOLD)
        await trio.sleep(5)
        for _ in range(3):
            said = await door.ask(GET)
            assert said.startswith(b"HTTP/1.1 %b " % status)
            assert b"\r\nconnection: close\r\n" in said
            assert b"\r\nretry-after: 5\r\n" in said
            assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in said
        if status == b"429":
            assert b" 200 OK" in await door.ask(GET, "127.0.0.2")
        door.go.set()
    warned = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warned) == 1


async def test_the_connections_of_a_trusted_proxy_are_those_of_many(
    patient_clock: MockClock,
) -> None:
    limits = {"max_connections_per_address": 1, "trusted_proxies": ("127.0.0.1",)}
    async with opened(**limits) as door, trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(door.ask, HOLD)
        await trio.sleep(1)
        assert door.under_way == 10
        door.go.set()


async def test_a_client_that_does_not_read_its_answer_gives_way(
    patient_clock: MockClock,
) -> None:
    limits = {"max_connections": 4, "max_connections_per_address": 0}
    async with opened(**limits) as door:
        streams = [await door.connect() for _ in range(4)]
        for number, stream in enumerate(streams):
            path = b"/front/large" if number % 2 else b"/large"
            await stream.send_all(GET.replace(b"/", path, 1))
        await trio.sleep(2)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(door.ask, HOLD)
            await trio.sleep(1)
            assert door.under_way == 4
            door.go.set()
        for stream in streams:
            await stream.aclose()


async def test_what_the_connections_are_doing() -> None:
    here = Here(max_connections=3, max_connections_per_address=2)
    assert here.enter("in line", begins=False) is None
    assert here.enter("waiting") is None
    assert here.enter("a third") is ADDRESS_FULL
    assert here.enter("working", "10.0.0.2") is None
    here.last.works()
    assert here.last.take_now(10)
    here.last.answered()
    assert here.enter("a fourth", "10.0.0.3") is FULL
    found = here.places.statistics()
    assert found == (1, 1, 1, 10, 1, {503: 1, 429: 1})
    await trio.lowlevel.checkpoint()
