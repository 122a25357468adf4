from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import pytest

from trio_stream.access.guard import ALLOWED, Guard, Incoming, Refusal, fields_of
from trio_stream.access.rates import Rate
from trio_stream.access.tickets import MOST_PER_TOKEN, SECONDS
from trio_stream.access.tokens import Permission, read_tokens
from trio_stream.stream.subprotocols import bearer

READER, POSTER = "reader-" + "r" * 30, "poster-" + "p" * 30
LIST = """
[[token]]
name = "reader"
token = "{}"
may = ["read"]
[[token]]
name = "poster"
token = "{}"
may = ["post", "metrics"]
"""
TOKENS = read_tokens(LIST.format(READER, POSTER))
STREAM = "/api/v1/streams/valid_transactions"
READ, SEND = ("GET", "/api/v1/status"), ("POST", "/api/v1/transactions")


class Gate:
    """A guard whose clock a test sets."""

    def __init__(self, **settings: object) -> None:
        self.now = 0.0
        numbers = count()
        self.guard = Guard(
            make_ticket=lambda: f"t{next(numbers)}",
            clock=lambda: self.now,
            **settings,  # type: ignore[arg-type]  # as the test says
        )

    def ask(
        self,
        asked: tuple[str, str] = READ,
        fields: Mapping[bytes, bytes] | None = None,
        *,
        peer: str = "10.0.0.1",
        websocket: bool = False,
    ) -> int | str | None:
        """The status of a refusal, or the name of the token that allows it."""
        incoming = Incoming(*asked, peer, fields or {}, websocket)
        refusal, token = self.guard.judge(incoming)
        if refusal is not None:
            assert token is None
            return refusal.status
        return None if token is None else token.name


def by(token: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + token.encode()}


def offering(*offers: str) -> dict[bytes, bytes]:
    return {b"sec-websocket-protocol": ", ".join(offers).encode()}


def test_without_settings_everything_is_allowed() -> None:
    gate = Gate()
    assert gate.guard.limits_nothing
    assert gate.guard.judge(Incoming(*SEND, "", by("x"))) is ALLOWED
    assert gate.guard.ticket("") == ("t0", SECONDS)
    assert gate.guard.token_of(f"Bearer {READER}") is None
    with gate.guard.streaming(None, lambda: pytest.fail("ended")):
        pass


@pytest.mark.parametrize(
    ("asked", "fields", "verdict"),
    [
        (READ, {}, 401),
        (READ, by("wrong"), 401),
        (READ, by(READER), "reader"),
        (READ, by(POSTER), 403),
        (READ, {b"authorization": b"bearer   " + READER.encode() + b" "}, "reader"),
        (READ, {b"authorization": b"Basic " + READER.encode()}, 401),
        (READ, {b"authorization": READER.encode()}, 401),
        (READ, {b"authorization": b"Bearer a, Bearer " + READER.encode()}, 401),
        (READ, offering(bearer(READER)), 401),
        (SEND, {}, 401),
        (SEND, by(READER), 403),
        (SEND, by(POSTER), "poster"),
        (("GET", "/metrics"), by(READER), 403),
        (("GET", "/metrics"), by(POSTER), "poster"),
        (("GET", "/health/live"), {}, None),
        (("OPTIONS", SEND[1]), {}, None),
    ],
)
def test_what_a_token_allows(
    asked: tuple[str, str], fields: dict[bytes, bytes], verdict: int | str | None
) -> None:
    gate = Gate(tokens=TOKENS)
    assert not gate.guard.limits_nothing
    assert gate.ask(asked, fields) == verdict


def test_refusals_are_counted_by_status() -> None:
    gate = Gate(tokens=TOKENS, requests=Rate(1))
    for fields in ({}, by("wrong"), by(READER)):
        gate.ask(fields=fields)
    assert gate.guard.refused == {401: 2}
    gate.ask(SEND, by(READER))
    while gate.ask(fields=by(READER)) != 429:
        pass
    assert gate.guard.refused == {401: 2, 403: 1, 429: 1}


def test_a_refusal_says_what_is_missing_and_never_the_token() -> None:
    guard = Gate(tokens=TOKENS).guard
    said = [
        guard.judge(Incoming(*READ, "", fields)).refusal
        for fields in ({}, by("wrong-token"), by(POSTER))
    ]
    assert all(refusal is not None for refusal in said)
    assert [
        dict(refusal.headers)["WWW-Authenticate"] for refusal in said if refusal
    ] == [
        'Bearer realm="trio_stream"',
        'Bearer realm="trio_stream", error="invalid_token"',
        'Bearer realm="trio_stream", error="insufficient_scope"',
    ]
    text = repr(said)
    assert "wrong-token" not in text and POSTER not in text
    assert "'poster'" in text


@pytest.mark.parametrize(
    ("offers", "verdict"),
    [
        ([bearer(READER)], "reader"),
        (["trio-stream", bearer(READER)], "reader"),
        ([bearer(POSTER)], 403),
        ([bearer("wrong")], 401),
        (["bearer.!"], 401),
        (["ticket.wrong"], 401),
        (["trio-stream"], 401),
    ],
)
def test_a_websocket_may_offer_its_token(offers: list[str], verdict: int | str) -> None:
    gate = Gate(tokens=TOKENS)
    assert gate.ask(("GET", STREAM), offering(*offers), websocket=True) == verdict


def test_a_ticket_is_good_for_one_websocket() -> None:
    gate = Gate(tokens=TOKENS)

    def use(ticket: str, *, websocket: bool = True) -> int | str | None:
        return gate.ask(
            ("GET", STREAM), offering(f"ticket.{ticket}"), websocket=websocket
        )

    def take() -> str:
        found = gate.guard.ticket(f"Bearer {READER}")
        assert not isinstance(found, Refusal)
        return found[0]

    ticket = take()
    assert use(ticket, websocket=False) == 401
    assert use(ticket) == "reader"
    assert use(ticket) == 401
    late = take()
    gate.now += SECONDS
    assert use(late) == 401
    withdrawn = take()
    gate.guard.replace(read_tokens(LIST.format("x" * 30, POSTER)))
    assert use(withdrawn) == 401


def test_tickets_need_a_token_and_are_bounded() -> None:
    guard = Gate(tokens=TOKENS).guard
    for authorization in ("", "Bearer wrong", READER):
        found = guard.ticket(authorization)
        assert isinstance(found, Refusal) and found.status == 401
    for _ in range(MOST_PER_TOKEN):
        guard.ticket(f"Bearer {READER}")
    found = guard.ticket(f"Bearer {READER}")
    assert isinstance(found, Refusal)
    assert (found.status, found.headers) == (429, [("Retry-After", "5")])


def test_streams_end_whose_token_is_withdrawn() -> None:
    guard, ended = Gate(tokens=TOKENS).guard, list[str]()
    reader, poster = guard.token_of(f"Bearer {READER}"), TOKENS.find(POSTER)
    with (
        guard.streaming(reader, lambda: ended.append("reader")),
        guard.streaming(poster, lambda: ended.append("poster")),
    ):
        assert guard.replace(read_tokens(LIST.format("x" * 30, POSTER))) == 1
        assert ended == ["reader"]
        with guard.streaming(reader, lambda: ended.append("late")):
            assert ended == ["reader", "late"]
        with guard.streaming(None, lambda: ended.append("none")):
            assert ended == ["reader", "late", "none"]
    assert guard.replace(read_tokens(LIST.format("x" * 30, "y" * 30))) == 0


OWN = {b"host": b"Node.example:9984"}


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        ([], b"http://node.example:9984", True),
        ([], b"https://NODE.example:9984", True),
        ([], b"http://node.example", False),
        ([], b"https://evil.example", False),
        ([], b"null", False),
        (["null"], b"null", True),
        (["https://a.example"], b"https://a.example", True),
        (["https://a.example"], b"https://a.example.evil.example", False),
        (["https://a.example"], b"http://a.example", False),
        (["*"], b"https://evil.example", True),
        (None, b"https://evil.example", True),
    ],
)
def test_pages_that_may_ask(
    origins: list[str] | None, origin: bytes, allowed: bool
) -> None:
    gate = Gate(origins=origins)
    fields = OWN | {b"origin": origin}
    for asked in (READ, SEND, ("OPTIONS", SEND[1]), ("GET", STREAM)):
        assert gate.ask(asked, fields) == (None if allowed else 403)
    assert gate.ask(("GET", "/health/live"), fields) is None
    assert gate.ask(READ, OWN) is None


def test_an_origin_without_a_host_is_not_our_own() -> None:
    assert Gate(origins=[]).ask(READ, {b"origin": b"http://"}) == 403


def test_requests_of_an_address_are_counted_wherever_they_come() -> None:
    gate = Gate(requests=Rate(1), tokens=TOKENS)
    asked = [gate.ask(each) for each in (READ, SEND, ("GET", "/health/live"))]
    assert asked == [401, 401, None]
    for _ in range(2):
        assert gate.ask(("GET", STREAM), by(READER), websocket=True) == "reader"
    assert gate.ask() == 429
    refusal = gate.guard.judge(Incoming(*READ, "10.0.0.1", {})).refusal
    assert refusal is not None and refusal.headers == [("Retry-After", "1")]
    assert gate.ask(peer="10.0.0.2") == 401
    gate.now += 1
    assert gate.ask() == 401


@pytest.mark.parametrize(
    ("peer", "forwarded", "other_peer", "other_forwarded", "same"),
    [
        ("2001:db8::1", b"", "2001:db8::2", b"", True),
        ("2001:db8::1", b"", "2001:db8:0:1::1", b"", False),
        ("127.0.0.1", b"1.1.1.1", "127.0.0.1", b"2.2.2.2", False),
        ("127.0.0.1", b"1.1.1.1", "127.0.0.1", b"9.9.9.9, 1.1.1.1", True),
        ("3.3.3.3", b"1.1.1.1", "3.3.3.3", b"2.2.2.2", True),
        ("127.0.0.1", b"2001:db8::1", "2001:db8::9", b"", True),
        ("::ffff:1.1.1.1", b"", "1.1.1.1", b"", True),
    ],
)
def test_which_requests_come_from_one_address(
    peer: str, forwarded: bytes, other_peer: str, other_forwarded: bytes, same: bool
) -> None:
    gate = Gate(requests=Rate(1), trusted_proxies=["127.0.0.1"])
    first = {b"x-forwarded-for": forwarded} if forwarded else {}
    second = {b"x-forwarded-for": other_forwarded} if other_forwarded else {}
    while gate.ask(fields=first, peer=peer) is None:
        pass
    assert gate.ask(fields=second, peer=other_peer) == (429 if same else None)


def test_posted_bytes_of_an_address_are_counted() -> None:
    gate = Gate(post_bytes=Rate(100))
    assert not gate.guard.limits_nothing
    large = {b"content-length": b"1000"}
    assert gate.ask(SEND, large) is None
    assert gate.ask(SEND, large) == 429
    assert gate.ask(READ, large) is None
    gate.now += 6
    assert gate.ask(SEND, {b"transfer-encoding": b"chunked"}) is None
    gate.guard.count_body("10.0.0.1", {}, 1000)
    assert gate.ask(SEND, {b"content-length": b"x"}) == 429
    Gate().guard.count_body("10.0.0.1", {}, 1000)


def test_repeated_fields_are_joined() -> None:
    assert fields_of([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {
        b"a": b"1, 3",
        b"b": b"2",
    }


def test_what_a_header_allows() -> None:
    may_read = Gate(tokens=TOKENS).guard
    assert Gate().guard.allows("", Permission.POST)
    assert not may_read.allows("", Permission.READ)
    assert may_read.allows(f"Bearer {READER}", Permission.READ)
    assert not may_read.allows(f"Bearer {READER}", Permission.METRICS)
