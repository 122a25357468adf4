"""What a daemon is before it runs."""

from __future__ import annotations

from trio_stream.node.opened import Addresses


def test_no_engine_needs_to_connect() -> None:
    assert Addresses("ws://a", "http://b") == Addresses("ws://a", "http://b", abci="")
