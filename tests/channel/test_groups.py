from __future__ import annotations

from trio_stream.channel.groups import Group, SendNowait
from trio_stream.stream.frames import Frames
from trio_stream.stream.position import Position

BEFORE, END = Position.end_of(4), Position.end_of(5)


class Sleeper:
    """A waiter that counts how often it is woken."""

    send_nowait: SendNowait | None = None
    position = BEFORE
    waiting = True
    until: Position | None = None
    woken = 0

    def fall_behind(self, frames: Frames, taken: int, *, owing: bool) -> None:
        raise AssertionError

    def wake(self) -> None:
        self.woken += 1


def test_during_a_pass_waiters_stand_where_the_tail_ended_before() -> None:
    group, waiter = Group("any", BEFORE), Sleeper()
    assert group.position_of(waiter, BEFORE) is None
    group.waiters[waiter] = None
    assert group.position_of(waiter, BEFORE) == BEFORE
    group.begin_pass(BEFORE, END)
    assert (group.position_of(waiter, END), group.last) == (BEFORE, END)
    assert not group.waiters


def test_those_that_are_unserved_are_sent_to_the_log() -> None:
    group, waiter, late = Group("any", BEFORE), Sleeper(), Sleeper()
    group.waiters[waiter] = None
    group.begin_pass(BEFORE, END)
    group.waiters[late] = None
    group.send_to_log()
    assert (waiter.woken, late.woken) == (1, 0)


def test_a_pass_without_waiters_leaves_those_of_the_last_one() -> None:
    group, waiter = Group("any", BEFORE), Sleeper()
    group.unserved[waiter] = None
    group.begin_pass(BEFORE, END)
    assert list(group.unserved) == [waiter]
