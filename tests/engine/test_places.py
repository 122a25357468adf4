"""Which connection gives up its place at the ABCI door."""

from __future__ import annotations

import math
from collections.abc import Iterable

import trio
from trio.testing import MockClock

from tests.abci.engine_side import DIALECTS
from trio_stream.abci import messages as m
from trio_stream.abci.connection import AbciConnection
from trio_stream.engine.places import (
    LEFT_AT_ONCE_SECONDS,
    MAX_CONNECTIONS,
    SMALL_BYTES,
    AbciGuest,
    AbciPlaces,
    least_like_an_engine,
)

INFO = DIALECTS["C38"].info


def guest(
    number: int,
    *asked: m.Request,
    host: str = "here",
    now: float = 100,
    drives: bool = False,
) -> AbciGuest:
    made = AbciGuest(number, host, AbciConnection(frame_limit=1))
    if asked:
        made.note(asked, now=now)
    made.drives = drives
    return made


def leaving(*guests: AbciGuest, engine: AbciGuest | None = None) -> list[int]:
    """The numbers of all guests, in the order in which they would leave."""
    left: list[int] = []
    staying = list(guests)
    while staying:
        gone = least_like_an_engine(staying, engine)
        left.append(gone.number)
        staying.remove(gone)
    return left


def silent(numbers: Iterable[int], host: str = "here") -> list[AbciGuest]:
    return [guest(number, host=host) for number in numbers]


def test_the_oldest_silent_connection_leaves_first() -> None:
    assert leaving(*silent([3, 1, 2])) == [1, 2, 3]


def test_among_those_that_asked_the_longest_idle_leaves_first() -> None:
    askers = [guest(n, INFO, now=now) for n, now in ((1, 300.0), (2, 100), (3, 200))]
    assert leaving(*askers) == [2, 3, 1]


def test_silent_connections_leave_before_those_that_asked() -> None:
    assert leaving(guest(1, INFO), guest(9)) == [9, 1]


def test_flush_and_echo_ask_for_nothing() -> None:
    assert leaving(guest(9, INFO), guest(1, m.Flush()), guest(2, m.Echo("x"))) == [
        *(1, 2, 9)
    ]


def test_the_neighbours_of_an_engines_connection_leave_last() -> None:
    engine = [guest(10, INFO), *silent([11, 12, 13])]
    strangers = silent([*range(1, 7), *range(15, 20)])
    assert leaving(*engine, *strangers)[-4:] == [13, 12, 11, 10]


def test_an_engine_that_has_done_nothing_yet_outlasts_strangers_that_asked() -> None:
    engine = [guest(10, INFO, now=1), *silent([11, 12, 13])]
    strangers = [guest(n, INFO) for n in [*range(1, 7), *range(17, 30)]]
    assert set(leaving(*strangers, *engine)[-4:]) == {10, 11, 12, 13}


def test_other_hosts_leave_first() -> None:
    engine = [guest(10, INFO), *silent([11])]
    assert leaving(*engine, *silent([9], host="there")) == [9, 11, 10]


def test_the_connection_that_drives_the_chain_leaves_last_with_its_neighbours() -> None:
    old = [guest(20, m.Commit(), drives=True), *silent([21])]
    engine = guest(40, m.Commit(), now=1, drives=True)
    kin = silent([37, 38, 39])
    company = [guest(60, INFO), *silent([61])]
    others = [*silent([36, 44]), guest(39, INFO, host="there")]
    order = leaving(*kin, *old, *company, *others, engine, engine=engine)
    assert set(order[:3]) == {36, 44, 39}
    assert order[3:7] == [61, 60, 21, 20]
    assert set(order[7:]) == {37, 38, 39, 40}


def test_only_a_guest_that_asked_nothing_but_info_left_at_once() -> None:
    soon, late = 100 + LEFT_AT_ONCE_SECONDS - 1, 100 + LEFT_AT_ONCE_SECONDS
    assert guest(1, m.Flush(), INFO, m.Flush()).left_at_once(soon)
    assert not guest(1, INFO).left_at_once(late)
    assert not guest(1, INFO, INFO).left_at_once(soon)
    assert not guest(1, INFO, m.Commit()).left_at_once(soon)
    assert not guest(1, m.Commit()).left_at_once(soon)
    assert not guest(1).left_at_once(soon)


def test_the_last_place_is_made_by_the_least_like_an_engine() -> None:
    places = AbciPlaces(most_bytes=0)
    guests = silent(range(MAX_CONNECTIONS))
    for each in guests:
        assert places.enter(each) is None
    late = guest(MAX_CONNECTIONS)
    assert places.enter(late) is guests[0]
    assert len(places) == MAX_CONNECTIONS
    assert guests[0].scope.cancel_called
    assert guests[0].gave_way == "its place went to another"
    # It has left already, so nothing that it does counts.
    places.leave(guests[0])
    places.drives(guests[0])
    assert not guests[0].drives and not places.holds(guests[0], 10)
    places.leave(late)
    assert len(places) == MAX_CONNECTIONS - 1


async def test_too_many_held_bytes_are_freed_but_not_the_engines() -> None:
    places = AbciPlaces(most_bytes=10 * SMALL_BYTES)
    engine, stranger, small = (
        guest(number, host=f"host {number}") for number in range(3)
    )
    for each in (engine, stranger, small):
        places.enter(each)
    places.drives(engine)
    assert places.holds(small, SMALL_BYTES) == []
    assert places.holds(stranger, 2 * SMALL_BYTES) == []
    assert places.holds(engine, 9 * SMALL_BYTES) == [stranger]
    assert stranger.gave_way == "its unanswered messages took too much room"
    # Now only those are left that must not give way, or need not.
    assert places.holds(engine, 20 * SMALL_BYTES) == []
    places.leave(engine)
    assert places.holds(small, 11 * SMALL_BYTES) == [small]
    await trio.lowlevel.checkpoint()


def test_an_engine_is_known_by_its_silent_connections() -> None:
    """A health check that asks for the height has a single connection."""
    places = AbciPlaces(most_bytes=1)
    places.enter(guest(1, INFO))
    places.enter(guest(9))
    assert places.statistics().engine is None
    for each in (guest(20), guest(21, INFO), guest(22), guest(30, INFO)):
        places.enter(each)
    seen = places.statistics().engine
    assert seen is not None and seen.version == INFO.version
    assert places.statistics().connections == 6


def test_an_engine_is_known_by_the_block_it_sent() -> None:
    places = AbciPlaces(most_bytes=1)
    consensus = guest(1, m.BeginBlock("", 1, m.Time(0, 0), b""))
    places.enter(consensus)
    assert places.statistics().engine is None
    places.drives(consensus)
    seen = places.statistics().engine
    assert seen is not None and seen.version == ""


async def test_since_when_an_engine_is_away(autojump_clock: MockClock) -> None:
    places = AbciPlaces(most_bytes=1)
    assert places.statistics().engine_away == math.inf
    connections = [guest(1, INFO), guest(2), guest(3)]
    for each in connections:
        places.enter(each)
    assert places.statistics().engine_away == 0
    for each in connections:
        await trio.sleep(1)
        places.leave(each)
    await trio.sleep(5)
    assert places.statistics().engine is None
    # Its silent connections do not count once the one that asked has closed.
    assert places.statistics().engine_away == 7
