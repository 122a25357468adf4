from __future__ import annotations

import sys

from trio_stream.cometbft.query_memory import EACH, Memory, size_of


class Holder:
    def __init__(self) -> None:
        self.forgot = 0

    def forget(self) -> None:
        self.forgot += 1


def test_all_forget_when_it_is_too_much_altogether() -> None:
    memory = Memory(10 * EACH)
    one, two, idle = Holder(), Holder(), Holder()
    for _ in range(5):
        memory.take(one, 0)
        memory.take(two, 0)
    assert memory.taken == 10 * EACH and not one.forgot and not two.forgot
    memory.take(one, 7)
    assert (one.forgot, two.forgot, idle.forgot) == (1, 1, 0)
    assert memory.taken == EACH + 7
    # The other one has nothing any more.
    memory.give_back(two)
    memory.give_back(idle)
    assert memory.taken == EACH + 7
    memory.give_back(one)
    assert memory.taken == 0


def test_who_forgets_by_itself_is_not_told() -> None:
    memory = Memory(2 * EACH)
    one, two = Holder(), Holder()
    memory.take(one, 0)
    memory.give_back(one)
    for _ in range(3):
        memory.take(two, 0)
    assert (one.forgot, two.forgot) == (0, 1)


def test_sizes() -> None:
    for bits in (1, 100, 16_384):
        held = 1 << bits
        assert size_of(held) <= sys.getsizeof(held) < size_of(held) + EACH
        assert sys.getsizeof(held) < 1.2 * size_of(held) + 40
