from __future__ import annotations

import logging

import pytest

from trio_stream.access.guard import Guard, Incoming, Refusal, Verdict
from trio_stream.http.permits import PeerPermits, Permits, answer_of

SECRET = b"Bearer secret"


class Strict(Guard):
    """Refuses everything but /open; notes what is asked."""

    def __init__(self) -> None:
        super().__init__(make_ticket=lambda: "", clock=lambda: 0)
        self.asked: list[Incoming] = []
        self.counted = 0

    def judge(self, incoming: Incoming) -> Verdict:
        self.asked.append(incoming)
        if incoming.path == "/open":
            return Verdict()
        return Verdict(Refusal(401, "no", challenge="Bearer"))

    def count_body(self, peer: str, fields: object, size: int) -> None:
        self.counted += size


async def test_a_refusal_is_an_answer_and_a_line_without_secrets(  # noqa: ASYNC124  # in trio
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    guard = Strict()
    permits = PeerPermits(Permits(guard), "::1")
    fields = {b"authorization": SECRET}

    assert permits.judge("GET", "/open", fields) is None
    assert caplog.text == ""
    answer = permits.judge("GET", "/closed\n" + "x" * 1_000, fields)

    assert answer is not None and answer.status == 401
    assert answer.more_headers == [("WWW-Authenticate", "Bearer")]
    assert guard.asked[0] == Incoming("GET", "/open", "::1", fields)
    assert "::1: GET '/closed\\nxxx" in caplog.text
    assert "refused with status 401" in caplog.text
    assert len(caplog.text) < 400 and "secret" not in caplog.text


def test_bodies_are_counted() -> None:
    guard = Strict()
    PeerPermits(Permits(guard), "::1").count_body({}, 7)
    assert guard.counted == 7


def test_the_headers_of_a_refusal() -> None:
    answer = answer_of(Refusal(429, "later", retry_after=3))
    assert answer.more_headers == [("Retry-After", "3")]
    assert b'"message":"later"' in answer.body
