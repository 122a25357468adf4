"""What a WebSocket client offers in `Sec-WebSocket-Protocol`, the one header that scripts can set.

Clients that need a token put it there, or a ticket: `bearer.<token in base64url>` or
`ticket.<ticket>`. A browser gives up unless the server accepts one of its offers. So a client
should also offer `trio-stream`, which is accepted instead of the secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NamedTuple

NAME: Final = "trio-stream"
BEARER: Final = "bearer."
TICKET: Final = "ticket."

_OFFER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,2000}")


class Offered(NamedTuple):
    """The offers that mean something here."""

    accepted: str | None = None
    """The one to accept; all others are ignored, as BigchainDB ignores all."""
    bearer: str | None = None
    """A token."""
    ticket: str | None = None


def read_offers(value: str) -> Offered:
    """Read the header; whatever it holds, this returns a value."""
    accepted = bearer = ticket = None
    for offer in (each.strip() for each in value.split(",")):
        if not _OFFER.fullmatch(offer):
            continue
        if offer == NAME:
            accepted = offer
        elif offer.startswith(BEARER):
            bearer = bearer or _decoded(offer.removeprefix(BEARER))
            accepted = accepted or offer
        elif offer.startswith(TICKET):
            ticket = ticket or offer.removeprefix(TICKET)
            accepted = accepted or offer
    return Offered(accepted, bearer, ticket)


def bearer(token: str) -> str:
    """The offer that holds this token."""
    coded = base64.urlsafe_b64encode(token.encode("utf-8")).decode("ascii")
    return BEARER + coded.rstrip("=")


def _decoded(coded: str) -> str | None:
    try:
        padded = coded + "=" * (-len(coded) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
