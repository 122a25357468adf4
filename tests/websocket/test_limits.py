from __future__ import annotations

from trio_stream.stream.admission import Admission
from trio_stream.websocket.limits import WebSocketLimits


def test_one_too_many_gets_an_answer() -> None:
    admission = Admission()
    for _ in range(20_000):
        admission.enter("a")
    assert admission.enter("a") is not None
    assert WebSocketLimits().max_connections > 20_000
