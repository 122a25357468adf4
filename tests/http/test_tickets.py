from __future__ import annotations

import json

import trio
from quart_trio import QuartTrio

from tests.access.test_tokens import SECRET, entry
from trio_stream.access.guard import Guard
from trio_stream.access.tickets import MOST_PER_TOKEN
from trio_stream.access.tokens import read_tokens
from trio_stream.http.tickets import add_tickets, everything_allowed, ticket_for


def test_a_ticket_for_a_token() -> None:
    guard = Guard(
        tokens=read_tokens(entry()), make_ticket=lambda: "secret", clock=lambda: 0
    )
    answer = ticket_for(guard, f"Bearer {SECRET}")
    assert answer.status == 200
    assert json.loads(answer.body) == {"ticket": "secret", "expires_in": 30}
    assert answer.more_headers == [("Cache-Control", "no-store")]
    refused = ticket_for(guard, "Bearer wrong")
    assert refused.status == 401 and dict(refused.more_headers)["WWW-Authenticate"]


async def test_the_route_asks_for_the_header() -> None:
    guard = Guard(
        tokens=read_tokens(entry()), make_ticket=lambda: "secret", clock=lambda: 0
    )
    app = QuartTrio(__name__)
    add_tickets(app, guard)
    client = app.test_client()
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {SECRET}"}, 200)):
        answer = await client.post("/api/v1/tickets", headers=headers)
        assert answer.status_code == status
        assert ("ticket" in await answer.get_json()) == (status == 200)


async def test_where_everything_is_allowed_each_ticket_is_another_one() -> None:
    guard = everything_allowed()
    await trio.lowlevel.checkpoint()
    bodies = {ticket_for(guard, "").body for _ in range(3)}
    assert len(bodies) == 3 and guard.limits_nothing


def test_too_many_tickets() -> None:
    numbers = iter(range(MOST_PER_TOKEN + 1))
    guard = Guard(
        tokens=read_tokens(entry()),
        make_ticket=lambda: str(next(numbers)),
        clock=lambda: 0,
    )
    answers = [ticket_for(guard, f"Bearer {SECRET}") for _ in range(MOST_PER_TOKEN + 1)]
    assert {each.status for each in answers[:-1]} == {200}
    assert answers[-1].status == 429
    assert answers[-1].more_headers == [("Retry-After", "5")]
