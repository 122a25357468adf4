"""What a request's head must satisfy beyond its grammar, for both doors (RFC 9110, RFC 9112).

h11 reads the grammar. It leaves to the server which form of target goes with which method, which
versions are spoken, and what to do with framing that two recipients may understand differently. A
request that must not be accepted raises `Unacceptable`, with the status that the RFC asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

# uri-host [ ":" port ], of which the host may be empty (RFC 9110 §7.2, RFC 3986 §3.2.2).
HOST: Final = re.compile(
    rb"(?:\[[0-9A-Za-z:.~!$&'()*+,;=_-]+\]|[0-9A-Za-z.~!$&'()*+,;=%_-]*)(?::[0-9]*)?"
)
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]+)(/[^?#]*)?(\?[^#]*)?")
_CODINGS: Final = re.compile(rb"(?im)^transfer-encoding:([^\r\n]*)")

TEXTS: Final = {
    400: "The request is not well-formed HTTP/1.1.",
    414: "The request target is too long.",
    431: "The header fields are too long.",
    501: "No transfer coding but chunked is understood.",
}
"""What is wrong with a request that h11 cannot read."""


class Unacceptable(Exception):
    """This request is answered with an error, and its connection closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


class Resource(NamedTuple):
    """What a request is for."""

    target: bytes
    """Path and query, whatever form the target came in."""
    host: bytes | None
    """The host in the target, which replaces that of the header field."""


def judge(
    method: bytes,
    target: bytes,
    version: bytes,
    headers: Iterable[tuple[bytes, bytes]],
) -> Resource:
    """What the request is for. Names of headers are in lower case.

    Raises `Unacceptable`.
    """
    if not version.startswith(b"1."):
        raise Unacceptable(505, "HTTP/1.1 is spoken here, no other version.")
    fields = dict(headers)
    _judge_framing(version, fields)
    host = fields.get(b"host")
    if version > b"1.0" and host is None:
        raise Unacceptable(400, "A Host is missing.")
    if host is not None and not HOST.fullmatch(host):
        raise Unacceptable(400, "The Host is not valid.")
    if method != method.upper():
        raise Unacceptable(501, "Methods are written in capitals.")
    if method == b"CONNECT":
        raise Unacceptable(501, "This is not a proxy.")
    return _resource(method, target)


def _judge_framing(version: bytes, fields: dict[bytes, bytes]) -> None:
    if b"transfer-encoding" not in fields:
        return
    # A proxy on the way may have gone by either (RFC 9112 §6.1).
    if b"content-length" in fields:
        raise Unacceptable(
            400, "Content-Length and Transfer-Encoding exclude each other."
        )
    if version < b"1.1":
        raise Unacceptable(400, "HTTP/1.0 has no Transfer-Encoding.")


def _resource(method: bytes, target: bytes) -> Resource:
    """The forms of RFC 9112 §3.2."""
    if target.startswith(b"/") and b"#" not in target:
        return Resource(target, None)
    if target == b"*" and method == b"OPTIONS":
        # The server as a whole; the root is asked instead.
        return Resource(b"/", None)
    found = _ABSOLUTE.fullmatch(target)
    # A user name in it must be treated as an attempt to deceive (RFC 9110 §4.2.4).
    if found is None or not HOST.fullmatch(found[1]) or found[1].startswith(b":"):
        raise Unacceptable(400, "The request target is not valid.")
    return Resource((found[2] or b"/") + (found[3] or b""), found[1])


def status_of_unreadable(head: bytes, hint: int) -> int:
    """The status for a `head` that h11 could not read; `hint` is the status that h11 suggests."""
    if hint == 431 and b"\n" not in head:
        return 414  # RFC 9112 §3
    if hint == 501:
        # Unless chunked is the last coding, nobody knows where the body ends (RFC 9112 §6.3).
        head = head.partition(b"\r\n\r\n")[0]
        codings = b",".join(_CODINGS.findall(head)).lower()
        return 501 if codings.rpartition(b",")[2].strip() == b"chunked" else 400
    return hint
