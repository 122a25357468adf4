"""Who gives up a place at the ABCI door."""

from __future__ import annotations

from collections.abc import Iterable

from tests.abci.engine_side import DIALECTS
from trio_stream.abci import messages as m
from trio_stream.abci.connection import Connection
from trio_stream.abci_places import LEFT_AT_ONCE_SECONDS, Guest, who_gives_way

INFO = DIALECTS["C38"].info


def guest(number: int, *asked: m.Request, host: str = "here") -> Guest:
    made = Guest(number, host, Connection(frame_limit=1))
    made.note(asked, now=100)
    return made


def leaving(*guests: Guest) -> list[int]:
    """The numbers of all who would leave, one after the other."""
    left: list[int] = []
    staying = list(guests)
    while (gone := who_gives_way(staying)) is not None:
        left.append(gone.number)
        staying.remove(gone)
    return left


def silent(numbers: Iterable[int], host: str = "here") -> list[Guest]:
    return [guest(number, host=host) for number in numbers]


def test_the_oldest_of_silent_ones_leaves_first() -> None:
    assert leaving(*silent([3, 1, 2])) == [1, 2, 3]


def test_nobody_who_asked_something_leaves() -> None:
    assert leaving(guest(1, INFO), guest(2, m.CheckTx(b"", False))) == []


def test_flush_and_echo_ask_for_nothing() -> None:
    assert leaving(guest(1, m.Flush()), guest(2, m.Echo("x"))) == [1, 2]


def test_what_came_beside_an_engines_connection_leaves_last() -> None:
    engine = [guest(10, INFO), *silent([11, 12, 13])]
    strangers = silent([*range(1, 7), *range(15, 20)])
    assert leaving(*engine, *strangers)[-3:] == [13, 12, 11]


def test_other_hosts_leave_first() -> None:
    engine = [guest(10, INFO), *silent([11])]
    assert leaving(*engine, *silent([9], host="there")) == [9, 11]


def test_only_one_who_asked_for_info_alone_left_at_once() -> None:
    soon, late = 100 + LEFT_AT_ONCE_SECONDS - 1, 100 + LEFT_AT_ONCE_SECONDS
    assert guest(1, m.Flush(), INFO, m.Flush()).left_at_once(soon)
    assert not guest(1, INFO).left_at_once(late)
    assert not guest(1, INFO, INFO).left_at_once(soon)
    assert not guest(1, INFO, m.Commit()).left_at_once(soon)
    assert not guest(1, m.Commit()).left_at_once(soon)
    assert not guest(1).left_at_once(soon)
