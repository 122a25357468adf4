from __future__ import annotations

from itertools import count

from trio_stream.access import tickets
from trio_stream.access.tickets import MOST_PER_TOKEN, MOST_TICKETS, SECONDS, Tickets
from trio_stream.access.tokens import Permission, Token


def token(name: str = "a") -> Token:
    return Token(name, name.encode(), frozenset((Permission.READ,)))


def opened() -> Tickets:
    numbers = count()
    return Tickets(lambda: f"ticket {next(numbers)}")


def test_a_ticket_stands_for_its_token_once() -> None:
    made = opened()
    ticket = made.issue(token(), 0)
    assert ticket is not None
    assert made.redeem("other", 0) is None
    assert made.redeem(ticket, 1) == token()
    assert made.redeem(ticket, 1) is None
    assert len(made) == 0


def test_a_ticket_expires() -> None:
    made = opened()
    early, late = made.issue(token(), 0), made.issue(token(), 1)
    assert early is not None and late is not None
    assert made.redeem(early, SECONDS) is None
    assert len(made) == 1
    assert made.redeem(late, SECONDS) == token()


def test_one_token_cannot_take_all_tickets() -> None:
    made = opened()
    issued = [made.issue(token(), 0) for _ in range(MOST_PER_TOKEN)]
    assert made.issue(token(), 0) is None
    assert made.issue(token("b"), 0) is not None
    assert issued[0] is not None
    assert made.redeem(issued[0], 0) is not None
    assert made.issue(token(), 0) is not None
    assert made.issue(token(), 0) is None
    assert made.issue(token(), SECONDS) is not None
    assert len(made) == 1


def test_there_is_a_bound_for_all() -> None:
    made = opened()
    for number in range(MOST_TICKETS):
        assert made.issue(token(str(number % 20)), 0) is not None
    assert made.issue(token("another"), 0) is None
    assert len(made) == tickets.MOST_TICKETS
