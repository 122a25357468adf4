"""Judges requests by their heads, before they are answered: every door asks here.

First comes the rate of the address, then the page that asks (`Origin`), then the token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from trio_stream.access.paths import needed
from trio_stream.access.rates import Rate
from trio_stream.access.tickets import SECONDS, Tickets
from trio_stream.access.tokens import Permission, Token, Tokens
from trio_stream.stream.admission import (
    client_address,
    counted_address,
    trusted_networks,
)
from trio_stream.stream.subprotocols import Offered, read_offers

_BEARER: Final = re.compile(r"(?i:bearer) +([^\s,]+)")
_CHALLENGE: Final = 'Bearer realm="trio_stream"'
_NO_TOKEN: Final = (
    "A token is needed: send it as `Authorization: Bearer TOKEN`, or from a browser"
    " as the manual says (trio-stream help security)."
)


class Incoming(NamedTuple):
    """A request, as far as it matters whether it is allowed."""

    method: str
    path: str
    """Decoded, without the query."""
    peer: str
    fields: Mapping[bytes, bytes]
    """The header fields by their names in lower case, repeated ones joined by commas."""
    websocket: bool = False
    """Does it ask to become a WebSocket?"""


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    message: str
    retry_after: int | None = None
    challenge: str | None = None
    """For the header `WWW-Authenticate`."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What the answer says besides the message."""
        said = []
        if self.retry_after is not None:
            said.append(("Retry-After", str(self.retry_after)))
        if self.challenge is not None:
            said.append(("WWW-Authenticate", self.challenge))
        return said


class Verdict(NamedTuple):
    """What becomes of a request."""

    refusal: Refusal | None = None
    token: Token | None = None
    """The token that it is allowed for, if one was needed."""


ALLOWED: Final = Verdict()


def fields_of(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields of a head whose names are in lower case; repeated ones are joined."""
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


class Guard:
    """What is allowed at the moment.

    Without `tokens` nothing needs one. `origins` are the pages that may ask, besides the node's
    own; None stands for all. `make_ticket` returns a new secret each time, `clock` the time.
    """

    def __init__(
        self,
        *,
        tokens: Tokens | None = None,
        origins: Collection[str] | None = None,
        requests: Rate | None = None,
        post_bytes: Rate | None = None,
        trusted_proxies: Iterable[str] = (),
        make_ticket: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._tokens = tokens
        self._origins = origins
        self._requests = requests
        self._post_bytes = post_bytes
        self._trusted = trusted_networks(trusted_proxies)
        self._make_ticket = make_ticket
        self._tickets = Tickets(make_ticket)
        self._clock = clock
        self.refused: Counter[int] = Counter()
        """How many requests were refused, by status."""
        # What ends the streams that a token allows.
        self._streams: dict[Callable[[], None], Token] = {}

    @property
    def limits_nothing(self) -> bool:
        """Is every request allowed?"""
        parts = (self._tokens, self._origins, self._requests, self._post_bytes)
        return all(part is None for part in parts)

    def judge(self, incoming: Incoming) -> Verdict:
        """Decide on a request, and count it."""
        verdict = self._judge(incoming)
        if verdict.refusal is not None:
            self.refused[verdict.refusal.status] += 1
        return verdict

    def _judge(self, incoming: Incoming) -> Verdict:
        refusal = self._judge_rate(incoming) or self._judge_origin(incoming)
        if refusal is not None:
            return Verdict(refusal)
        permission = needed(incoming.method, incoming.path)
        if self._tokens is None or permission is None:
            return ALLOWED
        return self._judge_token(incoming, permission)

    def count_body(self, peer: str, fields: Mapping[bytes, bytes], size: int) -> None:
        """Count bytes of a posted body whose length the head did not say."""
        if self._post_bytes is not None:
            self._post_bytes.count(self._address(peer, fields), size, self._clock())

    def ticket(self, authorization: str) -> tuple[str, float] | Refusal:
        """A ticket for the token in this header, and for how many seconds it is valid."""
        if self._tokens is None:
            return self._make_ticket(), SECONDS
        token = self._tokens.find(_bearer(authorization) or "")
        if token is None:
            return _unauthorized(authorization)
        ticket = self._tickets.issue(token, self._clock())
        if ticket is None:
            return Refusal(429, "Too many tickets are unused", retry_after=5)
        return ticket, SECONDS

    def replace(self, tokens: Tokens) -> int:
        """From now on these tokens are valid; returns how many streams end for that."""
        self._tokens = tokens
        ended = [end for end, token in self._streams.items() if token not in tokens]
        for end in ended:
            end()
        return len(ended)

    @contextmanager
    def streaming(self, token: Token | None, end: Callable[[], None]) -> Iterator[None]:
        """Call `end`, a plain function, if the token becomes invalid before the block ends."""
        if self._tokens is None:
            yield
            return
        if token is None or token not in self._tokens:
            # It was withdrawn since the request was judged.
            end()
            yield
            return
        self._streams[end] = token
        try:
            yield
        finally:
            del self._streams[end]

    def allows(self, authorization: str, permission: Permission) -> bool:
        """Whether what comes with this header may do that."""
        if self._tokens is None:
            return True
        token = self.token_of(authorization)
        return token is not None and permission in token.permissions

    def token_of(self, authorization: str) -> Token | None:
        """The valid token in this header."""
        found = _bearer(authorization)
        if self._tokens is None or found is None:
            return None
        return self._tokens.find(found)

    def _address(self, peer: str, fields: Mapping[bytes, bytes]) -> str:
        forwarded = fields.get(b"x-forwarded-for")
        chain = [] if forwarded is None else [forwarded]
        return counted_address(client_address(peer, chain, self._trusted))

    def _judge_rate(self, incoming: Incoming) -> Refusal | None:
        requests = self._requests
        posted = self._post_bytes if incoming.method == "POST" else None
        if requests is None and posted is None:
            return None
        address, now = self._address(incoming.peer, incoming.fields), self._clock()
        wait = 0 if requests is None else requests.wait(address, now)
        if wait:
            message = "Too many requests from your address"
            return Refusal(429, message, retry_after=wait)
        wait = 0 if posted is None else posted.wait(address, now)
        if wait:
            message = "Too many bytes were posted from your address"
            return Refusal(429, message, retry_after=wait)
        if requests is not None:
            requests.count(address, 1, now)
        if posted is not None:
            length = incoming.fields.get(b"content-length", b"")
            posted.count(address, int(length) if length.isdigit() else 0, now)
        return None

    def _judge_origin(self, incoming: Incoming) -> Refusal | None:
        given = incoming.fields.get(b"origin")
        if self._origins is None or given is None:
            return None
        origin = given.decode("latin-1").lower()
        host = incoming.fields.get(b"host", b"").decode("latin-1").lower()
        own = (f"https://{host}", f"http://{host}") if host else ()
        if origin in own or origin in self._origins or "*" in self._origins:
            return None
        if (
            incoming.method != "OPTIONS"
            and needed(incoming.method, incoming.path) is None
        ):
            return None
        message = f"Pages of {origin:.200} may not ask here: see `allowed_origins`."
        return Refusal(403, message)

    def _judge_token(self, incoming: Incoming, permission: Permission) -> Verdict:
        assert self._tokens is not None
        authorization = incoming.fields.get(b"authorization", b"").decode("latin-1")
        offers = Offered()
        if incoming.websocket and not authorization:
            protocols = incoming.fields.get(b"sec-websocket-protocol", b"")
            offers = read_offers(protocols.decode("latin-1"))
        if offers.ticket is not None:
            token = self._tickets.redeem(offers.ticket, self._clock())
            if token is None:
                return Verdict(_invalid("This ticket was used, is too old or unknown."))
            if token not in self._tokens:
                token = None
        else:
            token = self._tokens.find(_bearer(authorization) or offers.bearer or "")
        if token is None:
            return Verdict(_unauthorized(authorization or offers.accepted or ""))
        if permission not in token.permissions:
            allowed = f"The token {token.name!r} does not allow {permission.value!r}."
            return Verdict(
                Refusal(403, allowed, challenge=_error("insufficient_scope"))
            )
        return Verdict(token=token)


def _bearer(authorization: str) -> str | None:
    found = _BEARER.fullmatch(authorization.strip())
    return None if found is None else found[1]


def _unauthorized(given: str) -> Refusal:
    """The refusal of a request with a wrong token, or with none."""
    if given:
        return _invalid("This token is not valid.")
    return Refusal(401, _NO_TOKEN, challenge=_CHALLENGE)


def _invalid(message: str) -> Refusal:
    return Refusal(401, message, challenge=_error("invalid_token"))


def _error(error: str) -> str:
    return f'{_CHALLENGE}, error="{error}"'
