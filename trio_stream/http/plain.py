"""Plain requests, recognised by their bytes, and their answers as bytes.

Programs mostly send a GET or a POST of one form: HTTP/1.1, each header once, a body with a length,
nothing that asks for another protocol or another way to close. Hypercorn takes six times as long
for such a request as is necessary. So a request that is *certainly* plain is answered without it,
and any other goes to hypercorn untouched. This is not a parser: everything that is recognised here
means the same to h11 (RFC 9112), which the tests check.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple

from trio_stream.http import answers
from trio_stream.http.answers import HttpAnswer
from trio_stream.http.arrays import Streamed
from trio_stream.net.request_head import HOST

HEAD_BYTES: Final = 16 * 1024
"""A longer head is not plain."""

PHRASES: Final = {int(s): s.phrase.upper().encode("ascii") for s in HTTPStatus} | {
    # Python 3.13 has other phrases.
    413: b"REQUEST ENTITY TOO LARGE",
    414: b"REQUEST-URI TOO LONG",
}
"""BigchainDB's reason phrases are in capitals; its JavaScript driver shows them."""

_HEAD: Final = re.compile(
    rb"(GET|POST) (/[/0-9A-Za-z_.-]*)(?:\?([!$-~]*))? HTTP/1\.1\r\n"
    rb"((?:[0-9A-Za-z_-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_FIELD: Final = re.compile(rb"([^:]+): ([^\r]+)\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,10}")
# Each of these changes what the request or its connection means.
_MEANINGFUL: Final = frozenset(
    (b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"http2-settings")
)


class Plain(NamedTuple):
    """A plain request."""

    method: str
    path: str
    query: bytes
    content_type: str
    origin: str | None
    body: bytes
    fields: Mapping[bytes, bytes] = MappingProxyType({})
    """All header fields, by their names in lower case."""


Direct = Callable[[Plain], Awaitable[HttpAnswer | Streamed] | None]
"""Answers a plain request; None if the application behind the server should."""


def take(data: bytes, max_body: int) -> tuple[Plain, bytes | int] | None:
    """The request at the beginning of `data`, and what follows it.

    None if it is not plain, or if that cannot be known yet. If only the body is incomplete, the
    request without it, and the number of missing bytes. A body of more than `max_body` bytes is not
    plain.
    """
    found = _HEAD.match(data)
    if found is None or found.end() > HEAD_BYTES:
        return None
    pairs = _FIELD.findall(found[4])
    fields = {name.lower(): value for name, value in pairs}
    if (
        len(fields) != len(pairs)
        or not HOST.fullmatch(fields.get(b"host", b"/"))
        or not _MEANINGFUL.isdisjoint(fields)
        or fields.get(b"connection", b"keep-alive").lower() != b"keep-alive"
    ):
        return None
    length = fields.get(b"content-length", b"0")
    if not _LENGTH.fullmatch(length) or int(length) > max_body:
        return None
    if found[1] == b"GET" and int(length):
        return None
    end = found.end() + int(length)
    origin = fields.get(b"origin")
    request = Plain(
        found[1].decode("ascii"),
        found[2].decode("ascii"),
        found[3] or b"",
        fields.get(b"content-type", b"").decode("ascii"),
        origin if origin is None else origin.decode("ascii"),
        data[found.end() : end] if len(data) >= end else b"",
        fields,
    )
    if len(data) < end:
        return request, end - len(data)
    return request, data[end:]


def whole(answer: HttpAnswer, origin: str | None, *more: tuple[str, str]) -> bytes:
    """An answer with its length and `more` headers."""
    return head(answer, origin, *more) + answer.body


def head(answer: HttpAnswer, origin: str | None, *more: tuple[str, str]) -> bytes:
    """The same without its body."""
    length = ("content-length", str(len(answer.body)))
    fields = [length, *answer.more_headers, *more]
    return _head(answer.status, answer.content_type, fields, origin)


def beginning(origin: str | None) -> bytes:
    """The head of an answer that is sent in chunks."""
    return _head(200, answers.JSON, [("transfer-encoding", "chunked")], origin)


def _head(
    status: int,
    content_type: str,
    more: Sequence[tuple[str, str]],
    origin: str | None,
) -> bytes:
    fields = [("content-type", content_type), *more, *answers.cors(origin)]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
    first = b"HTTP/1.1 %d %b\r\n" % (status, PHRASES.get(status, b""))
    return b"%b%bdate: %b\r\n\r\n" % (first, lines, _date(int(time.time())))


@lru_cache(maxsize=1)
def _date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode("ascii")
