"""POST /api/v1/tickets: a ticket instead of a token, for scripts that can't send one in a header.

The answer says for how many seconds the ticket is valid. It is offered once, as the WebSocket
subprotocol `ticket.<ticket>`.
"""

# Quart runs handlers that are not coroutine functions in a thread each.
# flake8: noqa: ASYNC124

from __future__ import annotations

import secrets

import trio
from quart import Response, request
from quart_trio import QuartTrio

from trio_stream.access.guard import Guard, Refusal
from trio_stream.access.paths import TICKETS
from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.permits import answer_of


def add_tickets(app: QuartTrio, guard: Guard) -> None:
    """Serve tickets for the tokens that `guard` knows."""

    @app.post(TICKETS)
    async def ticket() -> Response:
        answer = ticket_for(guard, request.headers.get("Authorization", ""))
        return Response(
            answer.body,
            answer.status,
            dict(answer.more_headers),
            content_type=answer.content_type,
        )


def everything_allowed() -> Guard:
    """A guard that needs no tokens."""
    return Guard(make_ticket=secrets.token_urlsafe, clock=trio.current_time)


def ticket_for(guard: Guard, authorization: str) -> HttpAnswer:
    """The answer to a request with this header."""
    found = guard.ticket(authorization)
    if isinstance(found, Refusal):
        return answer_of(found)
    ticket, seconds = found
    said = answers.spaced({"ticket": ticket, "expires_in": int(seconds)})
    return HttpAnswer(200, said, others=(("Cache-Control", "no-store"),))
