from __future__ import annotations

import socket

from trio.testing import memory_stream_pair

from trio_stream.net.upgrades import Upgrades, Visitor


def test_a_visitor_is_handed_to_whoever_receives_at_the_moment() -> None:
    upgrades = Upgrades()
    visitor = Visitor(memory_stream_pair()[0], socket.socket(), "::1", secure=False)
    received: list[Visitor] = []
    with visitor.raw:
        assert not upgrades.hand_over(visitor)
        with upgrades.received_by(received.append):
            assert upgrades.hand_over(visitor)
        assert not upgrades.hand_over(visitor)
    assert received == [visitor]
