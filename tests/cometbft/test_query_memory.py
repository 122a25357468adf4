from __future__ import annotations

import sys

from trio_stream.cometbft.query_memory import EACH, Memory, size_of


def test_all_is_forgotten_when_it_is_too_much_altogether() -> None:
    memory = Memory(10 * EACH)
    one, two, idle = dict[int, str](), dict[int, str](), {0: "not known"}
    for number in range(5):
        memory.keep(one, number, "a", 0)
        memory.keep(two, number, "b", 0)
    assert memory.taken == 10 * EACH and len(one) == len(two) == 5
    memory.keep(one, 5, "a", 7)
    assert (one, two) == ({5: "a"}, {}) and idle
    assert memory.taken == EACH + 7
    # The other one has nothing any more.
    memory.forget(two)
    memory.forget(idle)
    assert memory.taken == EACH + 7
    memory.forget(one)
    assert memory.taken == 0 and not one


def test_what_was_emptied_takes_nothing() -> None:
    memory = Memory(3 * EACH)
    one, two = dict[int, str](), dict[int, str]()
    memory.keep(one, 0, "a", 0)
    memory.forget(one)
    for number in range(3):
        memory.keep(two, number, "b", 0)
    assert len(two) == 3 and memory.taken == 3 * EACH


def test_sizes() -> None:
    for bits in (1, 100, 16_384):
        held = 1 << bits
        assert size_of(held) <= sys.getsizeof(held) < size_of(held) + EACH
        assert sys.getsizeof(held) < 1.2 * size_of(held) + 40
